//! A certificate for `localhost`, made anew for every test: no key lies in the repository.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// DER of the names that a certificate needs.
const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_KEY_P256: &[u8] = &[
    0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, // a key on a curve
    0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7, // the curve
];
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
const ALTERNATIVE_NAME: &[u8] = &[0x06, 3, 0x55, 0x1d, 17];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The files of a chain and its key, and the certificate itself.
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) der: Vec<u8>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let body = body(pair.public_key().as_ref());
        let seal = pair.sign(&random, &body).unwrap();
        let algorithm = tagged(SEQUENCE, &[ECDSA_WITH_SHA256]);
        let der = tagged(SEQUENCE, &[&body, &algorithm, &bits(seal.as_ref())]);
        let name = format!("branchline-gateway-{}", uuid::Uuid::new_v4());
        let file = |kind: &str, label: &str, der: &[u8]| {
            let path = std::env::temp_dir().join(format!("{name}.{kind}"));
            let pem = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der));
            std::fs::write(&path, pem).unwrap();
            path
        };
        let chain = file("crt", "CERTIFICATE", &der);
        Certificate { chain, key: file("key", "PRIVATE KEY", pkcs8.as_ref()), der }
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.chain);
        let _ = std::fs::remove_file(&self.key);
    }
}

/// RFC 5280, TBSCertificate.
fn body(public_key: &[u8]) -> Vec<u8> {
    let name = tagged(SEQUENCE, &[COMMON_NAME, &tagged(0x0c, &[b"localhost"])]);
    let name = tagged(SEQUENCE, &[&tagged(SET, &[&name])]);
    let validity =
        tagged(SEQUENCE, &[&tagged(0x17, &[b"200101000000Z"]), &tagged(0x17, &[b"491231235959Z"])]);
    let key = tagged(SEQUENCE, &[&tagged(SEQUENCE, &[EC_KEY_P256]), &bits(public_key)]);
    let host = tagged(0x04, &[&tagged(SEQUENCE, &[&tagged(0x82, &[b"localhost"])])]);
    let extensions = tagged(SEQUENCE, &[&tagged(SEQUENCE, &[ALTERNATIVE_NAME, &host])]);
    let version = tagged(0xa0, &[&tagged(0x02, &[&[2]])]);
    let serial = tagged(0x02, &[&[1]]);
    let algorithm = tagged(SEQUENCE, &[ECDSA_WITH_SHA256]);
    let extensions = tagged(0xa3, &[&extensions]);
    tagged(SEQUENCE, &[&version, &serial, &algorithm, &name, &validity, &name, &key, &extensions])
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tagged(0x03, &[&[0], bytes])
}

/// One DER element. Nothing here is longer than 65,535 bytes.
fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let length = match (high, low) {
        (0, 0..128) => vec![low],
        (0, _) => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [vec![tag], length, content].concat()
}
