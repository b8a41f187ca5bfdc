//! What a call costs: its type by direction and addresses, and the price of a minute where no rate says
//! otherwise.

use protocol::Address;

/// Every cost type of the ledger. Empty for what is no usage.
pub(super) const NAMES: &[&str] = &[
    "",
    "call_pstn_outgoing",
    "call_pstn_incoming",
    "call_vn",
    "call_extension",
    "call_direct_ext",
    "sms",
    "email",
    "number",
    "number_renew",
    "tts",
    "recording",
];

/// Numbers of the platform itself, which no carrier serves, begin so.
const VIRTUAL: &str = "+899";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    PstnOutgoing,
    PstnIncoming,
    /// A call to a virtual number: the only kind of call that tokens pay for.
    Virtual,
    Extension,
    DirectExtension,
}

/// The price of one minute. Without tokens only credit pays; with neither it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Price {
    pub(super) token: i64,
    /// Micro US dollars.
    pub(super) credit: i64,
}

impl Price {
    pub(super) const FREE: Price = Price { token: 0, credit: 0 };
}

impl Cost {
    /// A direction that is unknown is charged as the dearest.
    pub(super) fn of_call(direction: &str, source: &Address, destination: &Address) -> Self {
        match (direction, source.r#type.as_str(), destination.r#type.as_str()) {
            ("incoming", _, "tel") if destination.target.starts_with(VIRTUAL) => Cost::Virtual,
            ("incoming", "tel", "tel") => Cost::PstnIncoming,
            ("incoming", "sip", "extension") => Cost::DirectExtension,
            ("incoming", ..) => Cost::Extension,
            ("outgoing", _, "tel") => Cost::PstnOutgoing,
            ("outgoing", ..) => Cost::Extension,
            _ => Cost::PstnOutgoing,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Cost::PstnOutgoing => "call_pstn_outgoing",
            Cost::PstnIncoming => "call_pstn_incoming",
            Cost::Virtual => "call_vn",
            Cost::Extension => "call_extension",
            Cost::DirectExtension => "call_direct_ext",
        }
    }

    pub(super) fn is_free(self) -> bool {
        self.usual() == Price::FREE
    }

    /// The price of a minute where no rate applies.
    pub(super) fn usual(self) -> Price {
        match self {
            Cost::PstnOutgoing | Cost::PstnIncoming => Price { token: 0, credit: 10_000 },
            Cost::Virtual => Price { token: 1, credit: 1_000 },
            Cost::Extension | Cost::DirectExtension => Price::FREE,
        }
    }
}

/// `call` when the far end is a telephone, else `call_extension`.
pub(super) fn reference_type(direction: &str, source: &Address, destination: &Address) -> &'static str {
    let far = if direction == "incoming" { source } else { destination };
    if far.is_tel() { "call" } else { "call_extension" }
}

/// Minutes to pay for: whole seconds, rounded up to minutes.
pub(super) fn minutes(seconds: i64) -> i64 {
    if seconds <= 0 { 0 } else { (seconds - 1) / 60 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(direction: &str, from: (&str, &str), to: (&str, &str), expected: (&str, &str)) {
        let (source, destination) = (Address::new(from.0, from.1), Address::new(to.0, to.1));
        let got = (
            Cost::of_call(direction, &source, &destination).name(),
            reference_type(direction, &source, &destination),
        );
        assert_eq!(got, expected, "{direction} {from:?} {to:?}");
    }

    #[test]
    fn the_type_of_a_call_follows_from_direction_and_addresses() {
        let (tel, sip, desk) = (("tel", "+15551230000"), ("sip", "a@b"), ("extension", "desk"));
        let own = ("tel", "+899123456789");
        check("incoming", tel, own, ("call_vn", "call"));
        check("incoming", sip, own, ("call_vn", "call_extension"));
        check("incoming", tel, tel, ("call_pstn_incoming", "call"));
        check("incoming", sip, desk, ("call_direct_ext", "call_extension"));
        check("incoming", desk, desk, ("call_extension", "call_extension"));
        check("incoming", tel, desk, ("call_extension", "call"));
        check("incoming", desk, tel, ("call_extension", "call_extension"));
        check("outgoing", desk, tel, ("call_pstn_outgoing", "call"));
        check("outgoing", desk, own, ("call_pstn_outgoing", "call"));
        check("outgoing", tel, desk, ("call_extension", "call_extension"));
        check("outgoing", tel, sip, ("call_extension", "call_extension"));
        check("sideways", desk, desk, ("call_pstn_outgoing", "call_extension"));
    }

    #[test]
    fn minutes_are_rounded_up() {
        for (seconds, expected) in
            [(i64::MIN, 0), (-1, 0), (0, 0), (1, 1), (59, 1), (60, 1), (61, 2), (120, 2), (121, 3)]
        {
            assert_eq!(minutes(seconds), expected, "{seconds}");
        }
        assert_eq!(minutes(i64::MAX), i64::MAX / 60 + 1);
    }

    #[test]
    fn every_cost_of_a_call_is_one_of_the_ledger() {
        for cost in
            [Cost::PstnOutgoing, Cost::PstnIncoming, Cost::Virtual, Cost::Extension, Cost::DirectExtension]
        {
            assert!(NAMES.contains(&cost.name()));
            assert_eq!(cost.is_free(), matches!(cost, Cost::Extension | Cost::DirectExtension));
        }
    }
}
