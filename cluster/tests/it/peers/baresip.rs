//! One baresip process on a network of its own, driven through its control port.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::network::Network;
use super::sound::{has_tone, wav};
use super::{PASSWORD, realm};
use crate::platform::{PATIENCE, Platform};

const CONTROL: u16 = 4_444;
/// What it says all the time, in Hz.
pub(super) const VOICE: u16 = 1_000;
/// Longer than any test.
const VOICE_SECONDS: u32 = 60;
/// Far more than the longest message of the control port.
const LONGEST: usize = 65_536;

pub(super) struct Baresip {
    folder: PathBuf,
    control: TcpStream,
    heard: Vec<u8>,
    /// What nobody has asked for yet.
    said: VecDeque<Value>,
    _child: Child,
}

impl Baresip {
    /// A telephone that is registered as an extension that exists, and takes every call at once.
    pub(super) async fn registered(platform: &Platform, network: &Network, number: &str) -> Baresip {
        let folder = platform.folder.join("baresip");
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("voice.wav"), wav(VOICE, VOICE_SECONDS)).expect("a voice");
        std::fs::write(folder.join("config"), config(network, &folder)).expect("a configuration");
        for empty in ["accounts", "contacts"] {
            std::fs::write(folder.join(empty), "").expect("an empty list");
        }
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let child = Command::new("ip")
            .args(["netns", "exec", &network.far_name, "baresip", "-f"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a log"))
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .expect("baresip is installed");
        let control = connect(network).await;
        let mut phone = Baresip { folder, control, heard: Vec::new(), said: VecDeque::new(), _child: child };
        let node = platform.node.voice.local().udp;
        let account = format!(
            "<sip:{number}@{}>;auth_user={number};auth_pass={PASSWORD};outbound=\"sip:{node}\";regint=300;\
             answermode=auto;audio_codecs=pcmu/8000/1",
            realm(platform)
        );
        phone.does("uanew", &account).await;
        phone.sees("REGISTER_OK").await;
        phone
    }

    /// Gives a command, which must be accepted.
    pub(super) async fn does(&mut self, command: &str, parameters: &str) {
        let message = json!({"command": command, "params": parameters, "token": command}).to_string();
        let netstring = format!("{}:{message},", message.len());
        self.control.write_all(netstring.as_bytes()).await.expect("baresip runs");
        let answer = self.hears_of(|said| said["token"] == command).await;
        assert_eq!(answer["ok"], true, "{answer}");
    }

    /// The next event of this type.
    pub(super) async fn sees(&mut self, event: &str) -> Value {
        self.hears_of(|said| said["type"] == event).await
    }

    /// What it recorded of the other side holds this tone. That recording then is gone: the next call has its own.
    pub(super) async fn recorded(&self, frequency: u16) {
        let limit = Instant::now() + PATIENCE;
        let found = loop {
            let found = self.recordings().into_iter().find(|recording| has_tone(recording, frequency));
            if let Some(found) = found {
                break found;
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < limit, "{frequency} Hz never heard: {log}");
            sleep(Duration::from_millis(100)).await;
        };
        std::fs::remove_file(found).expect("it is ours");
    }

    fn recordings(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.folder).expect("its folder").flatten().map(|entry| entry.path());
        files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).collect()
    }

    /// The first message that is wanted; an answer may come after events that it caused, so others are kept.
    async fn hears_of(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            loop {
                if let Some(at) = self.said.iter().position(&wanted) {
                    return self.said.remove(at).expect("it is there");
                }
                let said = self.message().await;
                self.said.push_back(said);
            }
        };
        timeout(PATIENCE, search).await.expect("baresip says so in time")
    }

    /// The next netstring: `<length>:<JSON>,`.
    async fn message(&mut self) -> Value {
        loop {
            if let Some((said, rest)) = netstring(&self.heard) {
                self.heard.drain(..rest);
                return said;
            }
            assert!(self.heard.len() < LONGEST, "no message");
            assert!(
                self.control.read_buf(&mut self.heard).await.expect("baresip runs") > 0,
                "baresip is gone"
            );
        }
    }
}

/// The first whole message, and where the next begins.
fn netstring(heard: &[u8]) -> Option<(Value, usize)> {
    let colon = heard.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&heard[..colon]).ok()?.parse().ok()?;
    let said = heard.get(colon + 1..colon + 1 + length)?;
    // the comma that ends it
    heard.get(colon + 1 + length)?;
    Some((serde_json::from_slice(said).expect("JSON"), colon + length + 2))
}

async fn connect(network: &Network) -> TcpStream {
    let limit = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect((network.far, CONTROL)).await {
            Ok(control) => return control,
            Err(error) => assert!(Instant::now() < limit, "baresip never listens: {error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn config(network: &Network, folder: &std::path::Path) -> String {
    let folder = folder.display();
    let lines = [
        format!("sip_listen {}:5060", network.far),
        format!("net_interface {}", network.far_name),
        format!("ctrl_tcp_listen {}:{CONTROL}", network.far),
        format!("audio_source aufile,{folder}/voice.wav"),
        "audio_player aubridge,nobody".into(),
        "ausrc_srate 8000\nauplay_srate 8000\nausrc_channels 1\nauplay_channels 1".into(),
        "rtp_ports 20000-20100".into(),
        format!("snd_path {folder}"),
        "module_path /usr/lib/baresip/modules".into(),
        "module g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so".into(),
        "module_tmp uuid.so\nmodule_tmp account.so".into(),
        "module_app ctrl_tcp.so\nmodule_app menu.so\n".into(),
    ];
    lines.join("\n")
}
