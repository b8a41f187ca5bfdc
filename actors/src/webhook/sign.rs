//! Proof that a webhook is ours: VoIPBIN's signature of the body, and beside it Standard Webhooks 1.0, whose
//! signature covers an id and a time, too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{HMAC_SHA256, Key, sign};

/// A secret that begins so is base64 for Standard Webhooks; any other is taken as its bytes.
const BASE64_SECRET: &str = "whsec_";

/// The value of `X-VoIPBIN-Signature`.
pub(super) fn voipbin(secret: &str, body: &[u8]) -> String {
    let tag = sign(&Key::new(HMAC_SHA256, secret.as_bytes()), body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// The value of `webhook-signature`. `timestamp` is in seconds since 1970.
pub(super) fn standard(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> String {
    let decoded = secret.strip_prefix(BASE64_SECRET).and_then(|text| STANDARD.decode(text).ok());
    let key = Key::new(HMAC_SHA256, decoded.as_deref().unwrap_or(secret.as_bytes()));
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    format!("v1,{}", STANDARD.encode(sign(&key, &signed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2.
    #[test]
    fn the_body_is_signed_as_voipbin_does() {
        let known = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(voipbin("Jefe", b"what do ya want for nothing?"), known);
        let empty = "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
        assert_eq!(voipbin("", b""), empty);
    }

    /// The example of the reference libraries of Standard Webhooks.
    #[test]
    fn id_time_and_body_are_signed_as_standard_webhooks_does() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = standard(secret, id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_no_base64_is_taken_as_it_is() {
        assert_eq!(standard("whsec_%", "a", 1, b"b"), standard("whsec_%", "a", 1, b"b"));
        assert_ne!(standard("whsec_%", "a", 1, b"b"), standard("%", "a", 1, b"b"));
        assert_ne!(standard("s", "a", 1, b"b"), standard("s", "a", 2, b"b"));
    }
}
