//! When a delivery is tried again, and when it is given up. Svix' schedule: eight attempts in 27 h 35 min.

use chrono::TimeDelta;
use protocol::ports::Answer;
use protocol::{Result, Status};

/// Pauses after the first attempt, the second one and so on.
const PAUSES: [TimeDelta; 7] = [
    TimeDelta::seconds(5),
    TimeDelta::minutes(5),
    TimeDelta::minutes(30),
    TimeDelta::hours(2),
    TimeDelta::hours(5),
    TimeDelta::hours(10),
    TimeDelta::hours(10),
];

/// Deliveries that failed together are not tried together again.
const JITTER: f64 = 0.1;

/// The longest error that a row keeps, in characters.
const LONGEST: usize = 500;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// With an answer of 200 to 299.
    Delivered(u16),
    /// The next attempt may succeed. The status is 0 when there was no answer.
    Again(u16, String),
    /// No attempt can succeed.
    Never(String),
}

pub(super) fn judge(answer: Result<Answer>) -> Verdict {
    match answer {
        Ok(answer) if (200..300).contains(&answer.status) => Verdict::Delivered(answer.status),
        Ok(answer) => Verdict::Again(answer.status, format!("answered {}", answer.status)),
        // the address is no address, or one that nobody may send to
        Err(error) if error.status == Status::InvalidArgument => Verdict::Never(short(&error.to_string())),
        Err(error) => Verdict::Again(0, short(&error.to_string())),
    }
}

/// How long after attempt number `attempt` (from 1) the next one comes; `None`: it was the last one.
/// `luck` is from -1 to 1.
pub(super) fn pause(attempt: i64, luck: f64) -> Option<TimeDelta> {
    let at = usize::try_from(attempt).ok()?.checked_sub(1)?;
    let pause = PAUSES.get(at)?.num_milliseconds();
    let spread = pause as f64 * JITTER * luck.clamp(-1.0, 1.0);
    TimeDelta::try_milliseconds(pause + spread as i64)
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::Error;

    use super::*;

    #[test]
    fn the_schedule_is_svix_within_a_tenth() {
        let seconds =
            |luck| (1..=8).map_while(|n| pause(n, luck)).map(|p| p.num_seconds()).collect::<Vec<_>>();
        assert_eq!(seconds(0.0), [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
        assert_eq!(seconds(1.0), [5, 330, 1_980, 7_920, 19_800, 39_600, 39_600]);
        assert_eq!(seconds(-1.0), [4, 270, 1_620, 6_480, 16_200, 32_400, 32_400]);
        assert_eq!(pause(1, 9.0), Some(TimeDelta::milliseconds(5_500)));
        assert_eq!((pause(0, 0.0), pause(8, 0.0), pause(-1, 0.0)), (None, None, None));
    }

    #[test]
    fn only_two_hundreds_are_deliveries() {
        let answer = |status| judge(Ok(Answer { status, content_type: String::new(), body: Bytes::new() }));
        for status in [200, 201, 204, 299] {
            assert_eq!(answer(status), Verdict::Delivered(status));
        }
        for status in [100, 199, 300, 302, 400, 404, 410, 500, 503] {
            assert_eq!(answer(status), Verdict::Again(status, format!("answered {status}")));
        }
        assert!(matches!(judge(Err(Error::unavailable("refused"))), Verdict::Again(0, _)));
        assert!(matches!(judge(Err(Error::timeout())), Verdict::Again(0, _)));
    }

    #[test]
    fn a_forbidden_address_is_given_up_at_once_and_said_so() {
        let forbidden = Error::new(Status::InvalidArgument, "ADDRESS_FORBIDDEN", "private");
        let Verdict::Never(why) = judge(Err(forbidden)) else { panic!("not given up") };
        assert_eq!(why, "ADDRESS_FORBIDDEN: private");
        let Verdict::Again(0, long) = judge(Err(Error::unavailable("x".repeat(9_999)))) else {
            panic!("not tried again")
        };
        assert_eq!(long.len(), LONGEST);
    }
}
