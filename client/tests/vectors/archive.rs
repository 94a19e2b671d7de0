//! Zips, audited and unpacked to nothing.

use std::io::Cursor;

use keybackup::archive::{self, AuditError, Limits, Policy};

use crate::vector::{Vector, Verdict};

pub(crate) fn open(vector: &Vector) -> Verdict {
    let mut zip = Cursor::new(vector.body());
    let audited = archive::audit(&mut zip, Policy::Ours, &Limits::OURS).map_err(|error| {
        match error {
            AuditError::Name(_) => "name",
            AuditError::Entry { .. } => "entry",
            _ => "archive",
        }
        .to_owned()
    })?;
    let summary = archive::verify(std::slice::from_mut(&mut zip), &audited, &|_| ())
        .map_err(|_| "content".to_owned())?;
    assert_eq!(&summary.fingerprint[..], vector.bytes("fingerprint"));
    assert_eq!(summary.files, vector.number("files"));
    assert_eq!(summary.directories, vector.number("directories"));
    assert_eq!(summary.bytes, vector.number("bytes"));
    Ok(())
}
