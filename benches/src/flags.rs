//! What a bench may be told: `--calls 50`.

use std::str::FromStr;

use protocol::{Error, Result};

/// The value after `flag` among this program's arguments, or the usual one.
pub fn asked<T: FromStr>(flag: &str, usual: T) -> Result<T> {
    read(std::env::args(), flag, usual)
}

fn read<T: FromStr>(arguments: impl Iterator<Item = String>, flag: &str, usual: T) -> Result<T> {
    let mut rest = arguments.skip_while(|argument| argument != flag);
    match (rest.next(), rest.next()) {
        (None, _) => Ok(usual),
        (Some(_), Some(value)) => value.parse().map_err(|_| Error::invalid(format!("{flag} {value}"))),
        (Some(_), None) => Err(Error::invalid(format!("{flag} needs a value"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_has_a_value_or_is_not_there() {
        let read = |text: &str| read(text.split(' ').map(str::to_owned), "--calls", 7).ok();
        assert_eq!(read("bench"), Some(7));
        assert_eq!(read("bench --deaths 1 --calls 50"), Some(50));
        assert_eq!((read("bench --calls"), read("bench --calls many")), (None, None));
    }
}
