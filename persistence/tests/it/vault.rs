//! The vault and its key file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use persistence::vault::{open_or_create, with_key};
use protocol::Status;

use crate::database::Folder;

#[test]
fn a_secret_comes_back_and_looks_different_every_time() {
    let vault = with_key([7; 32]);
    for secret in ["pass-word", "p\u{e4}ss\u{1f4de}", &"long ".repeat(10_000)] {
        let (one, two) = (vault.seal(secret).unwrap(), vault.seal(secret).unwrap());
        assert!(one.starts_with("v1:") && one != two && !one.contains(secret));
        assert_eq!((vault.open(&one).unwrap(), vault.open(&two).unwrap()), (secret.into(), secret.into()));
    }
    assert_eq!((vault.seal("").unwrap(), vault.open("").unwrap()), (String::new(), String::new()));
}

#[test]
fn an_altered_text_or_another_key_opens_nothing() {
    let vault = with_key([7; 32]);
    let sealed = vault.seal("secret").unwrap();
    let mut altered = sealed.clone().into_bytes();
    altered[10] = if altered[10] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let other = with_key([8; 32]).seal("secret").unwrap();
    for bad in [altered.as_str(), &other, "v1:", "v1:AAAA", "v1:%", "secret", &sealed.replace("v1", "v2")] {
        let error = vault.open(bad).unwrap_err();
        assert_eq!(error.status, Status::Internal, "{bad}");
        assert_eq!(error.message, "An internal error occurred.");
    }
}

#[test]
fn the_key_is_made_once_and_only_for_its_owner() {
    let folder = Folder::new();
    let path = folder.path("node.key");
    let sealed = open_or_create(&path).unwrap().seal("secret").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&path).unwrap().len(), 32);
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left aside");
    assert_eq!(open_or_create(&path).unwrap().open(&sealed).unwrap(), "secret");
}

#[test]
fn starts_at_the_same_time_share_one_key() {
    let folder = Folder::new();
    let path = folder.path("node.key");
    let vaults: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| open_or_create(&path).unwrap())).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    let sealed = vaults[0].seal("secret").unwrap();
    assert!(vaults.iter().all(|vault| vault.open(&sealed).unwrap() == "secret"));
}

#[test]
fn a_bad_key_file_is_refused_with_what_to_do() {
    let folder = Folder::new();
    let path = folder.path("node.key");
    fs::write(&path, [1; 32]).unwrap();
    for (mode, refused) in [(0o644, true), (0o604, true), (0o620, true), (0o600, false), (0o440, false)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        match open_or_create(&path) {
            Ok(_) => assert!(!refused, "{mode:o}"),
            Err(error) => assert!(refused && error.message.contains("chmod 600"), "{mode:o} {error}"),
        }
    }
    let short = folder.path("short.key");
    fs::write(&short, [1; 31]).unwrap();
    fs::set_permissions(&short, Permissions::from_mode(0o600)).unwrap();
    assert!(open_or_create(&short).err().unwrap().message.contains("must have 32 bytes, it has 31"));
    let nowhere = open_or_create(&folder.path("no/node.key")).err().unwrap();
    assert!(nowhere.message.contains("no/node.key"), "{nowhere}");
}
