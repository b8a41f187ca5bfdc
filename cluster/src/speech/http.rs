//! Any endpoint that speaks OpenAI's `POST {url}/audio/speech`. The operator chose its address, so it may be
//! a private one.

use async_trait::async_trait;
use bytes::Bytes;
use protocol::ports::{Outward, Send, Speech, Utterance};
use protocol::{Error, Result, Status};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};

use super::{plain, wav};
use crate::config::Secret;
use crate::outward::Web;

/// Long texts take long; a caller has hung up by then.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Five minutes at 48 kHz, the longest text at the highest rate.
const LONGEST_AUDIO: usize = 32 * 1024 * 1024;
/// Requests under way at once.
const AT_ONCE: usize = 16;

/// Where to send texts.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Without `/audio/speech`: `https://api.example.com/v1`.
    pub url: String,
    pub key: Option<Secret>,
    pub model: String,
}

pub(super) struct Http {
    endpoint: Endpoint,
    voice: String,
    web: Web,
    places: Semaphore,
}

impl Http {
    pub(super) fn new(endpoint: Endpoint, voice: String, web: Web) -> Self {
        Http { endpoint, voice, web, places: Semaphore::new(AT_ONCE) }
    }
}

#[async_trait]
impl Speech for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    /// `InvalidArgument` when the endpoint refuses the text or voice, `Unavailable` when it does not answer
    /// with audio.
    async fn say(&self, utterance: &Utterance) -> Result<Bytes> {
        let request = self.request(utterance)?;
        let exchange = async {
            let _place = self.places.acquire().await.map_err(Error::internal)?;
            self.web.send(request).await
        };
        let answer = timeout(TIMEOUT, exchange).await.map_err(|_| Error::timeout())??;
        match answer.status {
            200..300 => wav::check(&answer.body),
            400 | 422 => Err(Error::new(
                Status::InvalidArgument,
                "SPEECH_REFUSED",
                "the speech endpoint refused the text, language or voice",
            )),
            status => Err(Error::unavailable(format!("the speech endpoint answered {status}"))),
        }
    }
}

impl Http {
    fn request(&self, utterance: &Utterance) -> Result<Send> {
        let voice = if utterance.voice.is_empty() { &self.voice } else { &utterance.voice };
        let body = json!({
            "model": self.endpoint.model,
            "voice": voice,
            "input": plain(&utterance.text)?,
            "response_format": "wav",
        });
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if let Some(key) = &self.endpoint.key {
            headers.push(("authorization".to_owned(), format!("Bearer {}", key.expose())));
        }
        Ok(Send {
            method: ::http::Method::POST,
            url: format!("{}/audio/speech", self.endpoint.url.trim_end_matches('/')),
            headers,
            body: body.to_string().into(),
            timeout: TIMEOUT,
            most: LONGEST_AUDIO,
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinSet;

    use super::*;
    use crate::outward::Reach;

    /// Gives one answer and hands back the request.
    async fn server(head: &'static str, body: Bytes) -> (JoinSet<String>, String) {
        let (listener, port) = loop {
            let port: u16 = rand::random_range(20_000..32_000);
            if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
                break (listener, port);
            }
        };
        let mut served = JoinSet::new();
        served.spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (mut request, mut piece) = (String::new(), [0; 4096]);
            while !request.ends_with('}') {
                let read = stream.read(&mut piece).await.expect("a request");
                assert!(read > 0, "the client hung up: {request}");
                request.push_str(std::str::from_utf8(&piece[..read]).expect("text"));
            }
            let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).await.expect("written");
            request
        });
        (served, format!("http://127.0.0.1:{port}/v1/"))
    }

    fn engine(url: String) -> Http {
        let endpoint = Endpoint { url, key: Some("sk-1".parse().expect("a key")), model: "tts-1".into() };
        Http::new(endpoint, "alloy".into(), Web::new(Reach::Anywhere).expect("a client"))
    }

    fn utterance(voice: &str) -> Utterance {
        Utterance { text: "<speak>Hi <b>you</b></speak>".into(), language: "en".into(), voice: voice.into() }
    }

    #[tokio::test]
    async fn the_endpoint_is_asked_as_openai_is() {
        let audio = wav::encode(24_000, &[1, 2, 3]);
        let (mut served, url) = server("200 OK", audio.clone()).await;
        assert_eq!(engine(url).say(&utterance("")).await.expect("audio"), audio);
        let request = served.join_next().await.expect("a task").expect("no panic");
        assert!(request.starts_with("POST /v1/audio/speech HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer sk-1\r\n"), "{request}");
        let body = request.split_once("\r\n\r\n").expect("a body").1;
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let asked = json!({"model": "tts-1", "voice": "alloy", "input": "Hi you", "response_format": "wav"});
        assert_eq!(body, asked);
    }

    #[tokio::test]
    async fn refusals_and_failures_are_told_apart() {
        for (head, body, status) in [
            ("400 Bad Request", "{}", Status::InvalidArgument),
            ("401 Unauthorized", "{}", Status::Unavailable),
            ("500 Oops", "{}", Status::Unavailable),
            ("200 OK", "ID3 is no WAV", Status::Unavailable),
        ] {
            let (_served, url) = server(head, body.into()).await;
            let failed = engine(url).say(&utterance("nova")).await.expect_err(head);
            assert_eq!(failed.status, status, "{head}: {failed}");
        }
    }
}
