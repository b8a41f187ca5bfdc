//! A server of rsipstack's own dialogs that rings, answers, and hangs up when it is acknowledged: no account,
//! no journal, no media. The least that an answered call can cost on this stack.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::{Error, Result};
use rsipstack::EndpointBuilder;
use rsipstack::dialog::dialog::{Dialog, DialogState};
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, Method, Scheme, Uri};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const ROLE: &str = "bare";
/// What the caller gets as an answer; nobody listens on the port.
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

fn failed(error: &rsipstack::Error) -> Error {
    Error::internal(error.to_string())
}

/// Serves the address that the first argument names, until the process is told to end.
pub(crate) async fn serve() -> Result<()> {
    let address = std::env::args().nth(2).and_then(|text| text.parse::<SocketAddr>().ok());
    let address = address.ok_or_else(|| Error::invalid("an address is needed"))?;
    let cancel = CancellationToken::new();
    let layer = TransportLayer::new(cancel.clone());
    let socket = UdpConnection::create_connection(address, None, Some(cancel.child_token()));
    layer.add_transport(socket.await.map_err(|error| failed(&error))?.into());
    let endpoint = EndpointBuilder::new().with_cancel_token(cancel).with_transport_layer(layer).build();
    let mut incoming = endpoint.incoming_transactions().map_err(|error| failed(&error))?;
    let dialogs = Arc::new(DialogLayer::new(endpoint.inner.clone()));
    let (states, mut changes) = dialogs.new_dialog_state_channel();
    let contact = Uri { scheme: Some(Scheme::Sip), host_with_port: address.into(), ..Uri::default() };
    let mut work = JoinSet::new();
    work.spawn(async move { endpoint.serve().await });
    loop {
        tokio::select! {
            Some(transaction) = incoming.recv() => {
                if transaction.original.method == Method::Invite {
                    let dialog = dialogs.get_or_create_server_invite(
                        &transaction, states.clone(), None, Some(contact.clone()));
                    work.spawn(ring(dialog.map_err(|error| failed(&error))?, transaction));
                }
            }
            Some(change) = changes.recv() => react(&dialogs, change, &mut work),
            Some(_) = work.join_next() => {}
        }
    }
}

async fn ring(mut dialog: InviteDialog, mut transaction: Transaction) {
    // a call that fails is counted by the caller
    let _ = dialog.handle(&mut transaction).await;
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of a dozen states of a foreign enum three matter")]
fn react(dialogs: &Arc<DialogLayer>, change: DialogState, work: &mut JoinSet<()>) {
    match change {
        DialogState::Calling(id) => {
            if let Some(Dialog::Invite(dialog)) = dialogs.get_dialog(&id) {
                let sdp = Header::ContentType("application/sdp".into());
                // a call that fails is counted by the caller, as above
                if dialog.ringing(None, None).is_ok() {
                    let _ = dialog.accept(Some(vec![sdp]), Some(SDP.into()));
                }
            }
        }
        DialogState::Confirmed(id, _) => {
            if let Some(Dialog::Invite(dialog)) = dialogs.get_dialog(&id) {
                work.spawn(async move { drop(dialog.bye().await) });
            }
        }
        DialogState::Terminated(id, _) => dialogs.remove_dialog(&id),
        _ => {}
    }
}
