//! Takes bytes as a blob's header, and as the head of a sealed object. What parses, and only what
//! FORMAT.md sections 4 and 5 allow does, comes back byte for byte.

use keybackup::records::HeaderBytes;
use keybackup::seal::{Header, ObjectType, object};
use keybackup_protocol::KeyId;

/// Runs one input.
pub fn run(data: &[u8]) -> bool {
    let is_blob = blob(data);
    sealed_object(data) || is_blob
}

fn blob(data: &[u8]) -> bool {
    let is_header =
        data.len() == 121 && data.starts_with(b"KEYBKUP\x01") && matches!(data[8], 0x20 | 0x21);
    let parsed = Header::parse(data);
    assert_eq!(parsed.is_ok(), is_header, "{parsed:?}");
    let Ok(header) = parsed else { return false };
    assert_eq!(header.to_bytes(), data);
    assert_eq!(header.blob_type.byte(), data[8]);
    assert_eq!(header.key_id.as_bytes(), &data[9..17]);
    assert_eq!(header.version.to_be_bytes(), data[49..57]);

    // As a label has it.
    let named = HeaderBytes::from(header);
    let text = serde_json::to_string(&named).expect("text");
    assert_eq!(serde_json::from_str::<HeaderBytes>(&text).expect("the same text"), named);
    assert_eq!((named.as_bytes().as_slice(), named.header()), (data, &header));
    true
}

fn sealed_object(data: &[u8]) -> bool {
    let is_head = data.len() >= 34 && data[0] == 1 && matches!(data[1], 0x01..=0x0b | 0x0d);
    let head = object::head(data);
    assert_eq!(head.is_ok(), is_head, "{head:?}");
    let Ok((object_type, key_id)) = head else { return false };
    assert_eq!((object_type.byte(), key_id.as_bytes().as_slice()), (data[1], &data[2..10]));

    // What can be seen without a key is the same for who asks for another type or key.
    let is_shaped = object::check_shape(data, object_type, key_id).is_ok();
    assert!(!is_shaped || data.len() >= 82 + 256, "no plaintext is shorter than a slot's");
    let other_id = KeyId::from_bytes(key_id.as_bytes().map(|byte| !byte));
    assert!(object::check_shape(data, object_type, other_id).is_err());
    for other in ObjectType::ALL.into_iter().filter(|other| *other != object_type) {
        assert!(object::check_shape(data, other, key_id).is_err());
    }
    is_shaped
}
