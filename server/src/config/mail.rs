//! The settings of mail: `--mail-…`, `KEYBACKUP_SERVER_MAIL_…`, and the file's table `[mail]`.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use super::Period;
use crate::mail::Security;

/// The table in the file.
const TABLE: &str = "mail";
/// What its keys begin with elsewhere.
const PREFIX: &str = "mail_";

/// How mail is sent.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct MailLayer {
    /// Mail server that takes what is to be sent [default: none, so that no mail is sent]
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_HOST", value_name = "HOST")]
    pub mail_host: Option<String>,
    /// Its port [default: 587 with starttls, 465 with tls, else 25]
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_PORT", value_name = "PORT")]
    pub mail_port: Option<u16>,
    /// How the connection to it is protected [default: starttls]
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_SECURITY", value_name = "MODE")]
    pub mail_security: Option<Security>,
    /// Who logs in to it
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_USER", value_name = "NAME")]
    pub mail_user: Option<String>,
    /// File with that user's password
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_PASSWORD_FILE", value_name = "FILE")]
    pub mail_password_file: Option<PathBuf>,
    /// Certificates to trust beside the system's (PEM)
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_CA_FILE", value_name = "FILE")]
    pub mail_ca_file: Option<PathBuf>,
    /// Sender of all mail, with or without a name
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_FROM", value_name = "ADDRESS")]
    pub mail_from: Option<String>,
    /// Time for sending one mail [default: 60s]
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_TIMEOUT", value_name = "TIME")]
    pub mail_timeout: Option<Period>,
    /// For development: write mail to files in this directory, and send none
    #[arg(long, env = "KEYBACKUP_SERVER_MAIL_DIR", value_name = "DIR")]
    pub mail_dir: Option<PathBuf>,
}

impl MailLayer {
    /// Fills what is open here from another layer.
    pub(super) fn over(self, lower: Self) -> Self {
        macro_rules! over {
            ($($field:ident),*) => { Self { $($field: self.$field.or(lower.$field)),* } };
        }
        over!(
            mail_host,
            mail_port,
            mail_security,
            mail_user,
            mail_password_file,
            mail_ca_file,
            mail_from,
            mail_timeout,
            mail_dir
        )
    }

    /// A file's table with the keys of `[mail]` under their long names.
    ///
    /// # Errors
    /// The key that stands where it may not: a long name outside of the table is one.
    pub(super) fn lift(mut table: toml::Table) -> Result<toml::Table, String> {
        if let Some(key) = table.keys().find(|key| key.starts_with(PREFIX)) {
            return Err(key.clone());
        }
        match table.remove(TABLE) {
            None => {}
            Some(toml::Value::Table(mail)) => {
                table
                    .extend(mail.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)));
            }
            Some(_) => return Err(TABLE.to_owned()),
        }
        Ok(table)
    }

    /// A key as the file has it.
    pub(super) fn in_file(key: &str) -> String {
        key.strip_prefix(PREFIX).map_or_else(|| key.to_owned(), |key| format!("{TABLE}.{key}"))
    }
}
