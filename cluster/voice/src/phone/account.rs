//! Registering a phone (RFC 3261 10.2) and keeping it registered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::ports::voice::{Credentials, Transport};
use protocol::{Error, Result, Status};
use rsipstack::sip::{Request, Response};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::Engine;
use crate::call::Input;
use crate::engine::Shared;
use crate::sip::transact::Path;
use crate::sip::{digest, headers};

/// What is asked for, in seconds.
const EXPIRES: u32 = 3_600;
/// A refresh that failed is tried again after this, or sooner when the binding would run out.
const RETRY: Duration = Duration::from_secs(15);

/// Where and as whom a phone registers.
#[derive(Clone)]
pub struct Account {
    pub server: SocketAddr,
    pub transport: Transport,
    /// Domain of the address of record, and the only realm whose challenge is answered.
    pub domain: String,
    pub user: String,
    pub password: String,
}

/// A registration that refreshes itself until it is dropped.
pub(super) struct Registration {
    pub(super) account: Account,
    client: Arc<Mutex<Client>>,
    _refresh: DropGuard,
}

/// One binding's Call-ID and sequence, which never go back.
struct Client {
    account: Account,
    call_id: String,
    tag: String,
    cseq: u32,
}

pub(super) async fn register(engine: &Engine, account: Account) -> Result<(Registration, u32)> {
    let client =
        Client { account: account.clone(), call_id: headers::token(), tag: headers::token(), cseq: 0 };
    let client = Arc::new(Mutex::new(client));
    let granted = send(engine, &client, EXPIRES).await?;
    let cancel = CancellationToken::new();
    let refresh = refresh(engine.shared().clone(), client.clone(), granted);
    let stop = cancel.clone();
    engine.detach(async move { stop.run_until_cancelled(refresh).await.unwrap_or_default() });
    Ok((Registration { account, client, _refresh: cancel.drop_guard() }, granted))
}

impl Registration {
    pub(super) async fn remove(self, engine: &Engine) -> Result<()> {
        send(engine, &self.client, 0).await.map(|_| ())
    }
}

async fn send(engine: &Engine, client: &Arc<Mutex<Client>>, expires: u32) -> Result<u32> {
    let (shared, client) = (engine.shared().clone(), client.clone());
    let sent = engine.run(async move { client.lock().await.send(&shared, expires).await });
    sent.await.unwrap_or_else(|| Err(Error::unavailable("The phone is switched off.")))
}

/// Halfway through each binding it is renewed.
async fn refresh(shared: Arc<Shared>, client: Arc<Mutex<Client>>, granted: u32) {
    let mut wait = Duration::from_secs(u64::from(granted.max(2) / 2));
    loop {
        tokio::time::sleep(wait).await;
        wait = match client.lock().await.send(&shared, EXPIRES).await {
            Ok(granted) => Duration::from_secs(u64::from(granted.max(2) / 2)),
            Err(error) => {
                warn!(%error, "registration not refreshed");
                RETRY
            }
        };
    }
}

impl Client {
    async fn send(&mut self, shared: &Arc<Shared>, expires: u32) -> Result<u32> {
        let response = self.ask(shared, expires, "").await?;
        let response = match headers::status(&response) {
            401 => {
                let proof = self.proof(&response)?;
                self.ask(shared, expires, &proof).await?
            }
            _ => response,
        };
        match headers::status(&response) {
            200 => Ok(self.granted(&response).unwrap_or(expires)),
            401 | 403 => Err(refused("The registrar does not accept this user and password.")),
            status => Err(Error::unavailable(format!("The registrar answered {status}."))),
        }
    }

    fn proof(&self, response: &Response) -> Result<String> {
        let Account { domain, user, password, .. } = self.account.clone();
        let challenge =
            headers::header(&response.headers, "WWW-Authenticate").and_then(digest::Challenge::parse);
        let challenge = challenge.filter(|challenge| challenge.realm == domain);
        let credentials = Credentials { realm: domain, username: user, password };
        let answer =
            challenge.and_then(|challenge| challenge.answer(&credentials, "REGISTER", &self.registrar()));
        let answer = answer.ok_or_else(|| refused("The registrar asks for another realm."))?;
        Ok(format!("Authorization: {answer}\r\n"))
    }

    fn registrar(&self) -> String {
        format!("sip:{}", self.account.domain)
    }

    fn granted(&self, response: &Response) -> Option<u32> {
        let contacts = headers::list(&response.headers, "Contact");
        let own = contacts.iter().filter_map(|value| headers::NameAddr::parse(value));
        own.filter_map(|contact| contact.param("expires")?.parse().ok()).max()
    }

    async fn ask(&mut self, shared: &Arc<Shared>, expires: u32, proof: &str) -> Result<Response> {
        self.cseq += 1;
        let path = Path::to(self.account.transport, self.account.server);
        let request = self.request(shared, &path, expires, proof)?;
        let (mailbox, mut inputs) = mpsc::channel(4);
        shared.wire.ask(request, &path, mailbox);
        while let Some(input) = inputs.recv().await {
            if let Input::Answered { response, .. } = input {
                if headers::status(&response) >= 200 {
                    return Ok(response);
                }
            } else if matches!(input, Input::Unsent { .. }) {
                break;
            }
        }
        Err(Error::unavailable("The registrar cannot be reached."))
    }

    fn request(&self, shared: &Shared, path: &Path, expires: u32, proof: &str) -> Result<Request> {
        let Account { user, domain, transport, .. } = &self.account;
        let own = shared.wire.own(path, user);
        let name = if *transport == Transport::Tcp { "TCP" } else { "UDP" };
        let text = format!(
            "REGISTER {} SIP/2.0\r\nVia: SIP/2.0/{name} {};rport;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{domain}>;tag={}\r\nTo: <sip:{user}@{domain}>\r\nCall-ID: {}\r\n\
             CSeq: {} REGISTER\r\nContact: <{}>\r\nExpires: {expires}\r\nUser-Agent: {}\r\n{proof}\
             Content-Length: 0\r\n\r\n",
            self.registrar(),
            own.address,
            headers::token(),
            self.tag,
            self.call_id,
            self.cseq,
            own.contact(),
            own.user_agent,
        );
        Request::try_from(text).map_err(|_| Error::invalid("The account cannot be written as SIP."))
    }
}

fn refused(text: &str) -> Error {
    Error::new(Status::Unauthenticated, "REGISTRATION_REFUSED", text)
}
