//! Secrets at rest. The key is a file beside the database and never in it: a copy of one is no use alone.
//!
//! The text form is `v1:` and the base64 of a 96-bit nonce, the ciphertext and its tag. Nonces are random:
//! one key must not seal more than 2^32 secrets, which no installation comes near.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::ports::Vault;
use protocol::{Error, Result};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

const VERSION: &str = "v1:";
const KEY_LEN: usize = 32;
/// What others, or a group that may write, must not be able to do. A group may read: that is how Kubernetes
/// mounts a secret for a pod.
const FORBIDDEN: u32 = 0o027;

/// The vault of this key file. At the first start the file is made, with a random key and mode 0600.
pub fn open_or_create(path: &Path) -> Result<Arc<dyn Vault>> {
    if !path.try_exists().map_err(|cause| failed("open", path, &cause))? {
        create(path)?;
    }
    Ok(with_key(read(path)?))
}

/// A vault with a key from elsewhere.
pub fn with_key(key: [u8; 32]) -> Arc<dyn Vault> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("the algorithm takes keys of 32 bytes");
    Arc::new(Sealed { key: LessSafeKey::new(key), random: SystemRandom::new() })
}

struct Sealed {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Vault for Sealed {
    fn seal(&self, secret: &str) -> Result<String> {
        if secret.is_empty() {
            return Ok(String::new());
        }
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| Error::internal("the system gives no random bytes"))?;
        let mut text = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(VERSION), &mut text)
            .map_err(|_| Error::internal("a secret is too long to be sealed"))?;
        Ok(format!("{VERSION}{}", STANDARD.encode([&nonce[..], &text].concat())))
    }

    fn open(&self, sealed: &str) -> Result<String> {
        if sealed.is_empty() {
            return Ok(String::new());
        }
        self.unseal(sealed).ok_or_else(|| Error::internal("a secret was altered or sealed with another key"))
    }
}

impl Sealed {
    fn unseal(&self, sealed: &str) -> Option<String> {
        let mut bytes = STANDARD.decode(sealed.strip_prefix(VERSION)?).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let secret = self.key.open_in_place(nonce, Aad::from(VERSION), text).ok()?;
        String::from_utf8(secret.to_vec()).ok()
    }
}

/// Written aside and linked: the file is whole or absent, and of two first starts one key wins.
fn create(path: &Path) -> Result<()> {
    let mut key = [0; KEY_LEN];
    SystemRandom::new().fill(&mut key).map_err(|_| Error::internal("the system gives no random bytes"))?;
    let aside = path.with_extension(format!("new-{}", Uuid::now_v7()));
    let written = write(&aside, &key).and_then(|()| match fs::hard_link(&aside, path) {
        Err(cause) if cause.kind() != ErrorKind::AlreadyExists => Err(cause),
        _ => sync_folder(path),
    });
    // the key itself stands at its place now, or nothing does
    let _ = fs::remove_file(&aside);
    written.map_err(|cause| failed("make", path, &cause))
}

fn write(path: &Path, key: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn read(path: &Path) -> Result<[u8; KEY_LEN]> {
    let shown = path.display();
    let mode = fs::metadata(path).map_err(|cause| failed("open", path, &cause))?.permissions().mode();
    if mode & FORBIDDEN != 0 {
        let message = format!("the key file {shown} is open to others; run: chmod 600 {shown}");
        return Err(Error::unavailable(message));
    }
    let bytes = fs::read(path).map_err(|cause| failed("open", path, &cause))?;
    bytes.try_into().map_err(|bytes: Vec<u8>| {
        let found = bytes.len();
        Error::unavailable(format!("the key file {shown} must have {KEY_LEN} bytes, it has {found}"))
    })
}

fn failed(what: &str, path: &Path, cause: &std::io::Error) -> Error {
    Error::unavailable(format!("cannot {what} the key file {}: {cause}", path.display()))
}
