//! An installed engine, espeak-ng or flite, as a child process for each text.
//!
//! Texts go in by file, never as an argument or through a shell; and as flite takes any path or URL for a
//! voice, only voices that the engine itself lists are ever named to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use async_trait::async_trait;
use bytes::Bytes;
use protocol::ports::{Speech, Utterance};
use protocol::{Error, Result};
use tokio::fs;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};
use uuid::Uuid;

use super::{plain, wav};

/// From being asked to having audio, with the wait for a place. Engines need about 20 ms a sentence.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Children at once; each keeps a processor busy, which calls need more.
const AT_ONCE: usize = 2;
/// Twice the longest text at 22 kHz.
const LONGEST_AUDIO: u64 = 32 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Speaks a hundred languages, so it comes first.
    Espeak,
    /// English only.
    Flite,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Espeak, Kind::Flite];

    fn name(self) -> &'static str {
        match self {
            Kind::Espeak => "espeak-ng",
            Kind::Flite => "flite",
        }
    }

    /// How it lists its voices.
    fn listing(self) -> &'static str {
        match self {
            Kind::Espeak => "--voices",
            Kind::Flite => "-lv",
        }
    }

    fn voices(self, listing: &str) -> BTreeSet<String> {
        match self {
            Kind::Espeak => listing.lines().skip(1).flat_map(espeak_languages).collect(),
            Kind::Flite => {
                let (_, names) = listing.split_once(':').unwrap_or_default();
                names.split_whitespace().map(str::to_owned).collect()
            }
        }
    }

    /// Its arguments but for the voice and the files.
    fn switches(self) -> (&'static [&'static str], &'static str, &'static str) {
        match self {
            Kind::Espeak => (&["-b", "1"], "-v", "-w"),
            Kind::Flite => (&[], "-voice", "-o"),
        }
    }
}

/// ` 5  cmn  --/M  Chinese  sit/cmn  (zh-cmn 5)(zh 5)`: the language, and those it stands in for.
fn espeak_languages(line: &str) -> Vec<String> {
    let others = line.split('(').skip(1).filter_map(|other| other.split_whitespace().next());
    line.split_whitespace().nth(1).into_iter().chain(others).map(str::to_lowercase).collect()
}

pub(super) struct Process {
    kind: Kind,
    program: PathBuf,
    voices: BTreeSet<String>,
    /// For utterances that name no voice of this engine; may be empty.
    voice: String,
    scratch: PathBuf,
    places: Semaphore,
    within: Duration,
}

impl Process {
    /// The first engine that is installed and lists its voices.
    pub(super) async fn find(voice: String, scratch: PathBuf) -> Option<Self> {
        for kind in Kind::ALL {
            if let Some(found) = Self::installed(kind, voice.clone(), scratch.clone()).await {
                return Some(found);
            }
        }
        None
    }

    async fn installed(kind: Kind, voice: String, scratch: PathBuf) -> Option<Self> {
        let program = on_path(kind.name())?;
        let listing = command(&program).arg(kind.listing()).stdout(Stdio::piped()).output();
        let listing = timeout(TIMEOUT, listing).await.ok()?.ok()?;
        let voices = kind.voices(&String::from_utf8_lossy(&listing.stdout));
        let places = Semaphore::new(AT_ONCE);
        let within = TIMEOUT;
        (!voices.is_empty()).then_some(Process { kind, program, voices, voice, scratch, places, within })
    }

    /// The voice that was asked for, else one for the language, else the operator's. None: the engine's own.
    fn voice(&self, utterance: &Utterance) -> Option<&str> {
        let language = utterance.language.to_lowercase().replace('_', "-");
        let primary = language.split('-').next().unwrap_or_default();
        let best = if self.kind == Kind::Flite { "slt" } else { "" };
        [utterance.voice.as_str(), &language, primary, &self.voice, best]
            .into_iter()
            .find_map(|name| self.voices.get(name))
            .map(String::as_str)
    }

    async fn speak(&self, text: &str, voice: Option<&str>) -> Result<Bytes> {
        let _place = self.places.acquire().await.map_err(Error::internal)?;
        let files = Scratch::make(&self.scratch)?;
        let (input, output) = (files.0.join("text"), files.0.join("wav"));
        fs::write(&input, text).await.map_err(Error::internal)?;
        let (always, voice_switch, output_switch) = self.kind.switches();
        let mut child = command(&self.program);
        child.args(always).arg("-f").arg(&input).arg(output_switch).arg(&output);
        if let Some(voice) = voice {
            child.arg(voice_switch).arg(voice);
        }
        let status = child.status().await.map_err(Error::internal)?;
        if !status.success() {
            return Err(Error::unavailable(format!("{} failed: {status}", self.kind.name())));
        }
        if fs::metadata(&output).await.map_err(Error::internal)?.len() > LONGEST_AUDIO {
            return Err(Error::invalid("the text takes too long to say"));
        }
        wav::check(&fs::read(&output).await.map_err(Error::internal)?)
    }
}

#[async_trait]
impl Speech for Process {
    fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// Voices that the engine does not have are replaced by one for the language.
    async fn say(&self, utterance: &Utterance) -> Result<Bytes> {
        let text = plain(&utterance.text)?;
        let spoken = self.speak(&text, self.voice(utterance));
        timeout(self.within, spoken)
            .await
            .map_err(|_| Error::unavailable("the speech engine took too long"))?
    }
}

/// A child that dies with whoever waits for it, and neither reads nor writes what is ours.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A folder of one child, which only this user can read, removed when the child is done or given up.
struct Scratch(PathBuf);

impl Scratch {
    fn make(below: &Path) -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let path = below.join(format!("branchline-speech-{}", Uuid::now_v7()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(Error::internal)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A child that was killed a moment ago may still write; then the folder is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utterance(text: &str, language: &str, voice: &str) -> Utterance {
        Utterance { text: text.into(), language: language.into(), voice: voice.into() }
    }

    fn scratch() -> PathBuf {
        let path = std::env::temp_dir().join(format!("branchline-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).expect("a folder");
        path
    }

    /// Both real engines, but where one is not installed; CI has both.
    async fn engines() -> Vec<(Process, PathBuf)> {
        let mut found = Vec::new();
        for kind in Kind::ALL {
            let scratch = scratch();
            match Process::installed(kind, String::new(), scratch.clone()).await {
                Some(engine) => found.push((engine, scratch)),
                None if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                    panic!("{} is not installed", kind.name())
                }
                None => println!("skipped: {} is not installed", kind.name()),
            }
        }
        found
    }

    /// Seconds of audio.
    fn length(audio: &Bytes) -> f64 {
        let rate = u32::from_le_bytes(audio[24..28].try_into().expect("four bytes"));
        let bytes = u32::try_from(audio.len() - 44).expect("a short file");
        f64::from(bytes) / 2.0 / f64::from(rate)
    }

    #[tokio::test]
    async fn real_engines_speak_and_leave_nothing_behind() {
        for (engine, scratch) in engines().await {
            let name = engine.name();
            let short = engine.say(&utterance("Hello", "en-US", "")).await.expect(name);
            let text = "<speak>Hello, and welcome to a somewhat longer sentence.</speak>";
            let long = engine.say(&utterance(text, "", "")).await.expect(name);
            assert!((0.2..2.0).contains(&length(&short)), "{name}: {}", length(&short));
            assert!((1.5..8.0).contains(&length(&long)), "{name}: {}", length(&long));
            assert!(long[44..].iter().any(|byte| *byte != 0), "{name} is not silent");
            assert_eq!(std::fs::read_dir(&scratch).expect("a folder").count(), 0, "{name}");
            std::fs::remove_dir_all(scratch).expect("removed");
        }
    }

    #[tokio::test]
    async fn odd_texts_and_voices_are_only_ever_spoken() {
        for (engine, scratch) in engines().await {
            let canary = scratch.join("canary");
            let texts = [
                format!("$(touch {0}) `touch {0}`; touch {0}", canary.display()),
                "-o x --help".into(),
                "ä €".into(),
            ];
            for text in texts {
                for voice in ["/etc/passwd", "http://127.0.0.1/x.flitevox", "-o", "en-US-Wavenet-F"] {
                    let spoken = engine.say(&utterance(&text, "xx-YY", voice)).await;
                    spoken.unwrap_or_else(|error| panic!("{} {text:?} {voice}: {error}", engine.name()));
                }
            }
            assert!(!canary.exists());
            std::fs::remove_dir_all(scratch).expect("removed");
        }
    }

    #[test]
    fn a_voice_is_one_that_the_engine_lists() {
        let listing = "Pty Language Age/Gender VoiceName File Other\n \
            5  cmn  --/M  Chinese  sit/cmn  (zh-cmn 5)(zh 5)\n \
            5  de  --/M  German  gmw/de\n \
            2  en-us  --/M  English_(America)  gmw/en-US  (en 3)\n";
        let mut engine = Process {
            kind: Kind::Espeak,
            program: PathBuf::new(),
            voices: Kind::Espeak.voices(listing),
            voice: String::new(),
            scratch: PathBuf::new(),
            places: Semaphore::new(1),
            within: TIMEOUT,
        };
        let check = |engine: &Process, language: &str, voice: &str, expected: Option<&str>| {
            assert_eq!(engine.voice(&utterance("", language, voice)), expected, "{language} {voice}");
        };
        check(&engine, "de-AT", "", Some("de"));
        check(&engine, "en-US", "../../x", Some("en-us"));
        check(&engine, "zh-CN", "", Some("zh"));
        check(&engine, "xx", "", None);
        check(&engine, "en", "cmn", Some("cmn"));
        engine.voice = "de".into();
        check(&engine, "", "", Some("de"));
        engine.kind = Kind::Flite;
        engine.voices = Kind::Flite.voices("Voices available: kal awb rms slt \n");
        check(&engine, "de", "", Some("slt"));
        check(&engine, "en-US", "rms", Some("rms"));
    }

    /// An engine that is this script.
    fn scripted(folder: &Path, script: &str) -> Process {
        let program = folder.join("engine");
        // Written by a shell: a file that this process has open for writing may be inherited by another
        // test's child for a moment, and cannot be run meanwhile.
        let written = std::process::Command::new("sh")
            .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$1" > "$0" && chmod 700 "$0""#])
            .arg(&program)
            .arg(script)
            .status();
        assert!(written.expect("a shell").success());
        Process {
            kind: Kind::Flite,
            program,
            voices: BTreeSet::new(),
            voice: String::new(),
            scratch: folder.to_owned(),
            places: Semaphore::new(1),
            within: Duration::from_millis(500),
        }
    }

    #[tokio::test]
    async fn an_engine_that_fails_or_hangs_is_unavailable_and_leaves_nothing() {
        for (script, said) in
            [("exit 3", "exit status: 3"), ("echo RIFF > $4", "no WAV file"), ("exec sleep 600", "too long")]
        {
            let folder = scratch();
            let engine = scripted(&folder, script);
            let failed = engine.say(&utterance("x", "", "")).await.expect_err(script);
            assert_eq!(failed.status, protocol::Status::Unavailable);
            assert!(failed.message.contains(said), "{script}: {failed}");
            assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 1, "only the engine is left");
            std::fs::remove_dir_all(folder).expect("removed");
        }
    }
}
