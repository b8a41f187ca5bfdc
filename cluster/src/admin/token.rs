//! The token of operators: made at the first start of a node, kept in its data folder.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::{Error, Result};
use rand::RngCore as _;

use crate::keys::write_private;

/// Its name in the folder.
pub const FILE: &str = "admin.token";

/// As hard to guess as the hash it is compared by.
const LENGTH: usize = 32;

/// The token of the node in `folder`: read, or made when there is none. Only this user can read the file.
///
/// # Errors
/// The folder does not exist, or the file cannot be read, is empty, or cannot be written.
pub fn token(folder: &Path) -> Result<String> {
    let path = folder.join(FILE);
    if path.exists() { read(&path) } else { make(&path) }
}

/// The token that a node has made in `folder`.
///
/// # Errors
/// No node has, or the file cannot be read or is empty.
pub fn made_token(folder: &Path) -> Result<String> {
    read(&folder.join(FILE))
}

fn read(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => {
            Err(Error::invalid(format!("{} is empty; remove it to have a new token made", path.display())))
        }
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(Error::invalid(format!(
            "cannot read {}: {error}; name the node's folder with --data or give its --admin-token",
            path.display()
        ))),
    }
}

fn make(path: &Path) -> Result<String> {
    let mut secret = [0; LENGTH];
    rand::rng().fill_bytes(&mut secret);
    let token = URL_SAFE_NO_PAD.encode(secret);
    write_private(path, format!("{token}\n").as_bytes())?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_made_once_and_for_this_user_only() {
        let folder = std::env::temp_dir().join(format!("branchline-{}", uuid::Uuid::now_v7()));
        assert!(token(&folder).is_err(), "a folder is not made");
        fs::create_dir(&folder).expect("a folder");
        let made = token(&folder).expect("a token");
        assert_eq!((made.len(), token(&folder).expect("the same")), (43, made));
        let mode = fs::metadata(folder.join(FILE)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(folder.join(FILE), "\n").expect("written");
        assert!(token(&folder).expect_err("refused").message.contains("is empty"));
        fs::remove_dir_all(folder).expect("removed");
    }
}
