//! Flags over environment over file over defaults, in one parser.
//!
//! What a flag leaves open and the environment or the file says is put in front of the arguments as a flag,
//! and the whole is parsed once more. So every value is checked by the same rule, wherever it came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use super::Cli;

const PREFIX: &str = "BRANCHLINE_";
/// What shells know as wrong usage.
const USAGE: i32 = 2;

/// Flags with passwords or keys in their values.
const SECRET: [&str; 5] = ["--speech-key", "--admin-token", "--store", "--cache", "--bus"];

/// Why the program ends before it starts.
#[derive(Debug)]
pub struct Refusal {
    /// For a person. One line, unless it is the help that was asked for.
    pub message: String,
    /// 0 for help and version, 2 for anything wrong.
    pub code: i32,
}

impl Refusal {
    fn wrong(message: impl std::fmt::Display) -> Self {
        Refusal { message: format!("error: {message}"), code: USAGE }
    }

    /// clap's error as one line, without the advice below it and without a value that may be a secret.
    fn of(mut error: clap::Error) -> Self {
        let flag = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
        if SECRET.iter().any(|secret| flag.split(' ').next() == Some(secret)) {
            error.insert(ContextKind::InvalidValue, ContextValue::String("***".to_owned()));
        }
        let text = error.to_string();
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Refusal { message: text.trim_end().to_owned(), code: 0 };
        }
        let first = text.split("\n\n").next().unwrap_or_default();
        let message = first.split_whitespace().collect::<Vec<_>>().join(" ");
        Refusal { message, code: USAGE }
    }

    /// Ends the process.
    pub fn exit(self) -> ! {
        match self.code {
            0 => println!("{}", self.message),
            _ => eprintln!("{}", self.message),
        }
        std::process::exit(self.code)
    }
}

/// The arguments and environment of this process. Ends it when they are wrong or ask for help.
pub fn from_process() -> Cli {
    parse(std::env::args_os(), |name| std::env::var(name).ok()).unwrap_or_else(|refusal| refusal.exit())
}

/// As [`from_process`], of any arguments (the program's name first) and environment.
pub fn parse<A: Into<OsString>>(
    args: impl IntoIterator<Item = A>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Cli, Refusal> {
    let mut args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let given = Cli::command().try_get_matches_from(&args).map_err(Refusal::of)?;
    let environment = |name: &str| {
        let name = format!("{PREFIX}{}", name.to_uppercase());
        environment(&name).filter(|value| !value.is_empty())
    };
    let more = more(&given, environment)?;
    args.splice(1..1, more);
    let matches = Cli::command().try_get_matches_from(args).map_err(Refusal::of)?;
    let cli = Cli::from_arg_matches(&matches).map_err(Refusal::of)?;
    let is_named = given.value_source("node") == Some(ValueSource::CommandLine);
    if is_named && cli.command.as_ref().is_some_and(super::Command::acts_on_a_node) {
        return Err(Refusal::wrong(
            "--node names a node that is started here; say --on NODE for the one to act on",
        ));
    }
    let config = &cli.config;
    for (given, flag, needed, missing) in [
        (&config.tls_cert, "--tls-cert", &config.tls_key, "--tls-key"),
        (&config.tls_key, "--tls-key", &config.tls_cert, "--tls-cert"),
        (&config.grpc_cert, "--grpc-cert", &config.grpc_key, "--grpc-key"),
        (&config.grpc_key, "--grpc-key", &config.grpc_cert, "--grpc-cert"),
        (&config.grpc_client_ca, "--grpc-client-ca", &config.grpc_cert, "--grpc-cert"),
    ] {
        if given.is_some() && needed.is_none() {
            return Err(Refusal::wrong(format!("{flag} needs {missing}")));
        }
    }
    Ok(cli)
}

/// What the environment and the file say about flags that were not given.
fn more(given: &ArgMatches, environment: impl Fn(&str) -> Option<String>) -> Result<Vec<OsString>, Refusal> {
    let file = given.get_one::<std::path::PathBuf>("config").cloned();
    let file = file.or_else(|| environment("config").map(Into::into));
    let mut in_file = file.as_deref().map_or_else(|| Ok(BTreeMap::new()), read)?;
    let mut more = Vec::new();
    for arg in Cli::command().get_arguments() {
        let (id, Some(flag)) = (arg.get_id().as_str(), arg.get_long()) else { continue };
        // Taken out, so that what is left over is unknown.
        let of_file = in_file.remove(id);
        let is_given =
            given.try_contains_id(id).is_ok() && given.value_source(id) == Some(ValueSource::CommandLine);
        if let Some(value) = environment(id).or(of_file).filter(|_| !is_given) {
            more.push(format!("--{flag}={value}").into());
        }
    }
    match (in_file.keys().next(), file) {
        (Some(unknown), Some(file)) => {
            Err(Refusal::wrong(format!("{}: {unknown:?} is no setting", file.display())))
        }
        _ => Ok(more),
    }
}

/// The file's settings by the ids of their flags.
fn read(file: &Path) -> Result<BTreeMap<String, String>, Refusal> {
    let wrong = |what: String| Refusal::wrong(format!("--config {}: {what}", file.display()));
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let table: Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        wrong(format!("line {line}: {}", error.message().replace('\n', " ")))
    })?;
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        let text = plain(&value)
            .ok_or_else(|| wrong(format!("{name:?} must be a text, a number or a list of texts")))?;
        let id = name.replace('-', "_");
        // A file cannot name another, and empty is what is not set.
        if id == "config" {
            return Err(wrong(format!("{name:?} is no setting")));
        }
        if !text.is_empty() {
            settings.insert(id, text);
        }
    }
    Ok(settings)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Array(items) => Some(items.iter().map(plain).collect::<Option<Vec<_>>>()?.join(",")),
        Value::Boolean(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}
