//! One linphone process with a home of its own, driven through its console.

mod calls;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::PASSWORD;
use super::sound::{has_tone, wav};
use crate::platform::{PATIENCE, free_block, free_port};
use crate::process::Folder;

pub(crate) const LINPHONE: &str = "linphonec";
/// Longer than any tone is listened for.
const TONE_SECONDS: u32 = 60;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) struct Linphone {
    console: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// All that was read of it, for whoever has to find out why something never came.
    said: Vec<String>,
    recordings: usize,
    // before the folder: it writes there as long as it runs
    child: Child,
    folder: Folder,
}

impl Linphone {
    /// A telephone that is registered at `node` as an extension that exists.
    pub(crate) async fn registered(node: SocketAddr, realm: &str, number: &str) -> Linphone {
        let folder = Folder::new();
        // it does not make the folder of its databases
        std::fs::create_dir_all(folder.0.join(".local/share/linphone")).unwrap();
        std::fs::write(folder.0.join("linphonerc"), config(node, realm, number)).unwrap();
        let mut child = spawn(&folder.0);
        let (console, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let output = BufReader::new(output).lines();
        let mut phone = Linphone { console, output, said: Vec::new(), recordings: 0, child, folder };
        phone.does("soundcard use files").await;
        phone.is_registered().await;
        phone
    }

    /// Gives a command, whatever comes of it.
    pub(crate) async fn does(&mut self, command: &str) {
        self.console.write_all(format!("{command}\n").as_bytes()).await.expect("linphone runs");
    }

    /// The next line that holds this.
    pub(crate) async fn sees(&mut self, wanted: &str) -> String {
        let output = &mut self.output;
        let search = async {
            loop {
                let line = output.next_line().await.expect("text").expect("linphone runs");
                self.said.push(line);
                if let Some(line) = self.said.last().filter(|line| line.contains(wanted)) {
                    return line.clone();
                }
            }
        };
        let found = timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("linphone never says {wanted:?}: {:#?}", self.said))
    }

    /// Registration is no line of its own: it has to be asked for.
    async fn is_registered(&mut self) {
        let limit = Instant::now() + PATIENCE;
        loop {
            self.does("status register").await;
            if self.sees("registered").await.contains("identity=") {
                return;
            }
            assert!(Instant::now() < limit, "it never registers: {:#?}", self.said);
            sleep(LOOK).await;
        }
    }

    /// It rings and is picked up. Who calls, as it would call them back.
    pub(crate) async fn answers(&mut self) -> String {
        let line = self.sees("Receiving new incoming call").await;
        self.does("answer").await;
        self.is_connected().await;
        // with a name in front it stands between brackets
        let uri = line.split(['<', '>', ' ', ',']).find(|part| part.starts_with("sip:"));
        uri.unwrap_or_else(|| panic!("nobody calls: {line}")).to_owned()
    }

    /// The call has been answered, and sound flows.
    pub(crate) async fn is_connected(&mut self) {
        self.sees("Media streams established").await;
    }

    /// It still has a call, as far as it knows.
    pub(crate) async fn is_talking(&mut self) {
        self.does("calls").await;
        self.sees("StreamsRunning").await;
    }

    pub(crate) async fn hangs_up(&mut self) {
        self.does("terminate").await;
        self.is_hung_up().await;
    }

    pub(crate) async fn is_hung_up(&mut self) {
        self.sees(" ended (").await;
    }

    /// Says a tone from now on.
    pub(crate) async fn says(&mut self, frequency: u16) {
        let tone = self.folder.0.join(format!("{frequency}.wav"));
        std::fs::write(&tone, wav(frequency, TONE_SECONDS)).unwrap();
        self.does(&format!("play {}", tone.display())).await;
    }

    /// Hears a tone from now on: what it heard before is in another recording.
    pub(crate) async fn hears(&mut self, frequency: u16) {
        self.recordings += 1;
        let recording = self.folder.0.join(format!("heard-{}.wav", self.recordings));
        self.does(&format!("record {}", recording.display())).await;
        let limit = Instant::now() + PATIENCE;
        while !has_tone(&recording, frequency) {
            assert!(Instant::now() < limit, "{frequency} Hz never heard: {:#?}", self.said);
            sleep(LOOK).await;
        }
    }

    pub(crate) async fn stop(mut self) {
        self.does("quit").await;
        timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").expect("its status");
    }
}

fn spawn(home: &Path) -> Child {
    Command::new(LINPHONE)
        .arg("-c")
        .arg(home.join("linphonerc"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        // or its search for a sound server leaves a folder in /tmp
        .env("XDG_RUNTIME_DIR", home)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("linphone is installed")
}

/// UDP only; everything goes to the node, whose domain is in no DNS.
fn config(node: SocketAddr, realm: &str, number: &str) -> String {
    let (sip, rtp) = (free_port(), free_block());
    let sections = [
        format!("[sip]\nsip_port={sip}\nsip_tcp_port=0\nsip_tls_port=0\nuse_ipv6=0\ndefault_proxy=0"),
        format!("[rtp]\naudio_rtp_port={rtp}"),
        format!(
            "[proxy_0]\nreg_proxy=sip:{node}\nreg_route=sip:{node};lr\nreg_identity=sip:{number}@{realm}\n\
             reg_sendregister=1"
        ),
        format!("[auth_info_0]\nusername={number}\npasswd={PASSWORD}\nrealm={realm}\n"),
    ];
    sections.join("\n")
}
