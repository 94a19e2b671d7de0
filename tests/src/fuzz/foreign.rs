//! Somebody's zip around parts that an input chooses: the headers agree with each other and with
//! where things lie, so that names, sizes and compressed contents are looked at.

use super::input::Input;

/// Methods: stored, deflate, zstd, one that is unknown.
const METHODS: [u16; 4] = [0, 8, 93, 12];

/// A zip of the entries that the input has.
pub(super) fn zip(mut input: Input<'_>) -> Vec<u8> {
    let (mut zip, mut directory, mut count) = (Vec::new(), Vec::new(), 0_u16);
    while !input.is_empty() && count < 300 {
        let position = u32::try_from(zip.len()).expect("inputs are short");
        let entry = Entry::of(&mut input);
        zip.extend_from_slice(b"PK\x03\x04");
        zip.extend_from_slice(&entry.common());
        zip.extend_from_slice(&0_u16.to_le_bytes());
        zip.extend_from_slice(entry.name);
        zip.extend_from_slice(entry.content);

        directory.extend_from_slice(b"PK\x01\x02\x3f\x03");
        directory.extend_from_slice(&entry.common());
        // No extra field, comment, disk, or internal attributes.
        directory.extend_from_slice(&[0; 8]);
        directory.extend_from_slice(&(u32::from(entry.mode) << 16).to_le_bytes());
        directory.extend_from_slice(&position.to_le_bytes());
        directory.extend_from_slice(entry.name);
        count += 1;
    }
    let position = u32::try_from(zip.len()).expect("inputs are short");
    let length = u32::try_from(directory.len()).expect("inputs are short");
    zip.append(&mut directory);
    zip.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    zip.extend_from_slice(&count.to_le_bytes());
    zip.extend_from_slice(&count.to_le_bytes());
    zip.extend_from_slice(&length.to_le_bytes());
    zip.extend_from_slice(&position.to_le_bytes());
    zip.extend_from_slice(&[0; 2]);
    zip
}

struct Entry<'a> {
    name: &'a [u8],
    method: u16,
    mode: u16,
    crc: u32,
    size: u32,
    content: &'a [u8],
}

impl<'a> Entry<'a> {
    fn of(input: &mut Input<'a>) -> Self {
        let name = usize::from(input.byte() % 64);
        let name = input.piece(name);
        let choice = input.byte();
        let method = METHODS[usize::from(choice % 4)];
        let length = usize::from(input.u16()) % 4096;
        let content = input.piece(length);
        // A stored one has the size and checksum that it must have, unless the input says other.
        let is_right = method == 0 && choice & 4 == 0;
        let size = if is_right { content.len() } else { input.below(1 << 21) };
        let crc = if is_right { crc32(content) } else { crc32(input.piece(4)) };
        let mode = match choice >> 3 {
            0 => 0,
            1 => input.u16(),
            _ if name.ends_with(b"/") => 0o040_755,
            _ => 0o100_600,
        };
        let size = u32::try_from(size).expect("it is below");
        Self { name, method, mode, crc, size, content }
    }

    /// What both headers have, from the version needed to the length of the name.
    fn common(&self) -> Vec<u8> {
        let compressed = u32::try_from(self.content.len()).expect("inputs are short");
        let needed: u16 = if self.method == 93 { 63 } else { 20 };
        let name = u16::try_from(self.name.len()).expect("it is short");
        let mut common = Vec::new();
        for field in [needed, 1 << 11, self.method, 0, 0x21] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        for field in [self.crc, compressed, self.size] {
            common.extend_from_slice(&field.to_le_bytes());
        }
        common.extend_from_slice(&name.to_le_bytes());
        common
    }
}

/// CRC-32 as zip has it (reversed polynomial 0xedb88320), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
