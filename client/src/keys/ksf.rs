//! Key stretching: Argon2id (RFC 9106) at the costs of suite 1, which are compiled in and never
//! come from a server.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use opaque_ke::errors::InternalError;
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Ksf;
use zeroize::Zeroize as _;

/// Passes over the memory.
const TIME: u32 = 3;
/// Lanes.
const LANES: u32 = 4;
/// Bytes in and out: the OPRF's output, and RFC 9807's `randomized_password` half.
const OUTPUT_BYTES: usize = 64;
/// RFC 9807 section 7 has a salt of 16 zero bytes; what salts is the OPRF.
const SALT: [u8; 16] = [0; 16];

/// Argon2id with `MEMORY_KIB` KiB, three passes, four lanes. The type *is* the cost: there is
/// nothing to set, and nothing to forget.
#[derive(Debug, Default, Clone, Copy)]
pub struct Argon2id<const MEMORY_KIB: u32>;

/// For passwords: 256 MiB.
pub type PasswordKsf = Argon2id<{ 256 * 1024 }>;
/// For PINs, whose guesses the server counts: 64 MiB.
pub type PinKsf = Argon2id<{ 64 * 1024 }>;

/// The memory that stretching needs can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes of memory for key stretching can't be had")]
pub struct OutOfMemory {
    /// What was asked for.
    pub bytes: usize,
}

impl<const MEMORY_KIB: u32> Argon2id<MEMORY_KIB> {
    /// Stretches 64 bytes to 64 bytes, into `out`.
    #[expect(clippy::missing_panics_doc, reason = "every argument of Argon2 is fixed by the type")]
    pub fn stretch(
        self,
        input: &[u8; OUTPUT_BYTES],
        out: &mut [u8; OUTPUT_BYTES],
    ) -> Result<(), OutOfMemory> {
        let params = Params::new(MEMORY_KIB, TIME, LANES, Some(OUTPUT_BYTES))
            .expect("the costs of a suite are within RFC 9106's bounds");
        let mut memory = Memory::reserve(params.block_count())?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(input, &SALT, out, memory.0.as_mut_slice())
            .expect("lengths of input, salt, output and memory are those of the parameters");
        Ok(())
    }
}

impl<const MEMORY_KIB: u32> Ksf for Argon2id<MEMORY_KIB> {
    /// Fails only for want of memory.
    fn hash<L: ArrayLength<u8>>(
        &self,
        mut input: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        const { assert!(L::USIZE == OUTPUT_BYTES, "suite 1 stretches 64 bytes to 64 bytes") };
        let mut output = GenericArray::default();
        let stretched = self.stretch(
            input.as_slice().try_into().expect("L is 64"),
            output.as_mut_slice().try_into().expect("L is 64"),
        );
        input.as_mut_slice().zeroize();
        stretched.map(|()| output).map_err(|OutOfMemory { .. }| InternalError::KsfError)
    }
}

/// Argon2's memory, wiped when done: what was computed from the password stays in no free page.
struct Memory(Vec<Block>);

impl Memory {
    fn reserve(blocks: usize) -> Result<Self, OutOfMemory> {
        let mut memory = Vec::new();
        memory
            .try_reserve_exact(blocks)
            .map_err(|_| OutOfMemory { bytes: blocks.saturating_mul(Block::SIZE) })?;
        memory.resize(blocks, Block::new());
        Ok(Self(memory))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;

    fn digit(nibble: u8) -> char {
        char::from_digit(u32::from(nibble), 16).expect("a nibble")
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect()
    }

    fn counting() -> [u8; 64] {
        std::array::from_fn(|index| u8::try_from(index).expect("64 fits"))
    }

    /// RFC 9106 section 5.3, through the same crate.
    #[test]
    fn argon2id_agrees_with_rfc_9106() {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).expect("12 bytes"))
            .build()
            .expect("the RFC's parameters");
        let mut tag = [0; 32];
        Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
            .expect("the RFC's secret")
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .expect("the RFC's input");
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(hex(&tag), expected);
    }

    /// Both costs as OpenSSL computes them from the parameters in FORMAT.md: whoever lowers one
    /// changes these bytes.
    ///
    /// Holds rules 1 and 26.
    #[test]
    fn the_costs_are_those_of_suite_1() {
        let mut out = [0; 64];
        PinKsf::default().stretch(&counting(), &mut out).expect("64 MiB can be had");
        assert_eq!(
            hex(&out),
            "763c05e205e6d06f9d49921578c5fc314590d8016bd8ccc98049f3da265fad5d\
             4a27e85aaac6ac1de7cf2aeda7b8c767de0ff4e5db3ff8421d9bb3e8effb279b"
        );
        PasswordKsf::default().stretch(&counting(), &mut out).expect("256 MiB can be had");
        assert_eq!(
            hex(&out),
            "292daed64a6612422cbdc11d37fcc95153d22b83533d0ac7f08dd29b9758118d\
             3c9631e03a7b1e9f21463f5cda34aace8f7c999cc51127e2f97fbc1aa7cf87c7"
        );
    }

    /// Holds rules 1 and 26.
    #[test]
    fn opaque_runs_the_same_function_at_the_default_cost() {
        let mut direct = [0; 64];
        PinKsf::default().stretch(&counting(), &mut direct).expect("64 MiB can be had");
        let through = PinKsf::default().hash(GenericArray::from(counting())).expect("again");
        assert_eq!(through.as_slice(), direct);
    }

    #[test]
    fn too_much_memory_is_an_error_and_not_an_abort() {
        let blocks = isize::MAX as usize / Block::SIZE;
        let error = Memory::reserve(blocks).err().expect("nobody has that much");
        assert_eq!(error, OutOfMemory { bytes: blocks * Block::SIZE });
    }
}
