//! What makes nodes one installation: they share a store, its secrets, and the work.

use std::path::Path;

use actors::kernel::Mailbox;
use protocol::ports::Deps;
use protocol::{Error, Result};
use ring::digest::{SHA256, digest};

/// Sealed by the first node; a node that cannot open it has another key.
const SEALED: &str = "branchline";

/// Joins the nodes that share the store, with the domains that are `here`. Answers their names.
///
/// # Errors
/// The keys in `data` are not those of the other nodes.
pub(crate) async fn join(
    deps: &Deps,
    here: &[Mailbox],
    data: &Path,
    token_key: Option<&[u8]>,
) -> Result<Vec<&'static str>> {
    agree(deps, data, token_key).await?;
    let names: Vec<_> = here.iter().map(|mailbox| mailbox.domain().name).collect();
    deps.store.renew(&names).await?;
    Ok(names)
}

/// Secrets that one node seals the others open, and a user who logs in at one is known at all.
async fn agree(deps: &Deps, data: &Path, token_key: Option<&[u8]>) -> Result<()> {
    let sealed = deps.store.agree("node.key", &deps.vault.seal(SEALED)?).await?;
    if deps.vault.open(&sealed).ok().as_deref() != Some(SEALED) {
        return Err(differs("node.key", data));
    }
    let Some(token_key) = token_key else { return Ok(()) };
    // of a random key, so its hash tells nothing
    let hash: String = digest(&SHA256, token_key).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if deps.store.agree("token.key", &hash).await? == hash {
        return Ok(());
    }
    let others = deps.store.nodes().await?;
    if others.iter().any(|peer| peer.alive && peer.node != deps.settings.node) {
        return Err(differs("token.key", data));
    }
    // alone it may have a new one: whoever was logged in logs in again
    deps.store.decide("token.key", &hash).await
}

fn differs(file: &str, data: &Path) -> Error {
    let path = data.join(file);
    Error::invalid(format!(
        "{} is not the key of the other nodes of this store; copy {file} from the data folder of one of them",
        path.display()
    ))
}
