//! Calls of a telephone that is not ours, linphone, that outlive the process that carries them.

use protocol::ports::voice::{CAUSE_NORMAL, LegId};
use serde_json::{Value, json};
use voice::Phone;

use super::program::Program;
use super::{TONES, over};
use crate::calls::{PASSWORD, ended, hears, rings};
use crate::peers::installed;
use crate::peers::linphone::{LINPHONE, Linphone};

/// linphone and a telephone of ours at one node.
struct Pair {
    program: Program,
    linphone: Linphone,
    desk: Phone,
}

impl Pair {
    async fn start() -> Pair {
        let program = Program::start().await;
        let extension = json!({"extension": "100", "password": PASSWORD, "name": "100", "detail": ""});
        program.api.made("extensions", extension).await;
        let linphone = Linphone::registered(program.sip, &program.realm, "100").await;
        let desk = program.phone("200").await;
        Pair { program, linphone, desk }
    }

    async fn hear_each_other(&mut self, leg: LegId, [first, second]: [u16; 2]) {
        self.linphone.says(first).await;
        self.desk.tone(leg, second).await.unwrap();
        hears(&self.desk, leg, first).await;
        self.linphone.hears(second).await;
    }

    /// A call that is up goes on after the node was killed, and ends for both when one of them hangs up.
    async fn survives(&mut self, leg: LegId, linphone_hangs_up: bool) {
        self.hear_each_other(leg, TONES[0]).await;
        self.program.kill().await;
        self.program.again().await;
        self.hear_each_other(leg, TONES[1]).await;
        self.linphone.is_talking().await;
        let page = self.program.api.get("calls").await.1;
        assert_eq!(up(&page), 2, "{page}");
        if linphone_hangs_up {
            self.linphone.hangs_up().await;
            ended(&self.desk, leg).await;
        } else {
            self.desk.hangup(leg, CAUSE_NORMAL).await.unwrap();
            self.linphone.is_hung_up().await;
        }
    }

    async fn stop(self) {
        over(&self.program, 4).await;
        self.linphone.stop().await;
        self.program.stop().await;
    }
}

fn up(page: &Value) -> usize {
    page["result"].as_array().unwrap().iter().filter(|call| call["status"] == "progressing").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_linphone_placed_outlives_its_node() {
    if !installed(&[LINPHONE]) {
        return;
    }
    let mut pair = Pair::start().await;
    for linphone_hangs_up in [true, false] {
        pair.linphone.does(&format!("call sip:200@{}", pair.program.realm)).await;
        let leg = rings(&pair.desk).await;
        pair.desk.answer(leg).await.unwrap();
        pair.linphone.is_connected().await;
        pair.survives(leg, linphone_hangs_up).await;
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_linphone_took_outlives_its_node() {
    if !installed(&[LINPHONE]) {
        return;
    }
    let mut pair = Pair::start().await;
    for linphone_hangs_up in [true, false] {
        let leg = pair.desk.call(&format!("sip:100@{}", pair.program.realm)).await.unwrap();
        pair.linphone.answers().await;
        pair.survives(leg, linphone_hangs_up).await;
    }
    pair.stop().await;
}
