//! Keys that a node makes at its first start and keeps in its data folder.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use protocol::{Error, Result};
use rand::RngCore as _;

/// As long as the hash it keys (HMAC-SHA256).
const LENGTH: usize = 32;

/// The key that tokens are signed with: read, or made when there is none.
pub(crate) fn token_key(folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join("token.key");
    match fs::read(&path) {
        Ok(key) if key.len() >= LENGTH => return Ok(key),
        Ok(_) => {
            return Err(Error::invalid(format!(
                "{} is damaged; remove it to sign all users out",
                path.display()
            )));
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unreadable(&path, &error)),
        Err(_) => {}
    }
    let mut key = vec![0; LENGTH];
    rand::rng().fill_bytes(&mut key);
    write_private(&path, &key)?;
    Ok(key)
}

/// Writes a new file that only this user can read, on disk when it returns.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let written = (|| {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    })();
    written.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    Error::invalid(format!("cannot use {path}: {error}; give another folder with --data"))
}
