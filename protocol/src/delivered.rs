//! The event types that customers are told of: by webhook and by WebSocket. All others stay inside.
//!
//! `account_*` leaves for the accounts of conversations only: storage uses the same words.

/// In order, so that one is found by bisection.
pub const DELIVERED: &[&str] = &[
    "account_created",
    "account_deleted",
    "account_updated",
    "activeflow_created",
    "activeflow_deleted",
    "activeflow_updated",
    "agent_created",
    "agent_deleted",
    "agent_status_updated",
    "agent_updated",
    "ai_created",
    "ai_deleted",
    "ai_updated",
    "aicall_status_initializing",
    "aicall_status_pausing",
    "aicall_status_progressing",
    "aicall_status_resuming",
    "aicall_status_terminated",
    "aicall_status_terminating",
    "aimessage_created",
    "aimessage_intermediate",
    "call_canceling",
    "call_created",
    "call_deleted",
    "call_dialing",
    "call_hangup",
    "call_progressing",
    "call_ringing",
    "call_terminating",
    "call_updated",
    "campaign_created",
    "campaign_deleted",
    "campaign_status_run",
    "campaign_status_stop",
    "campaign_status_stopping",
    "campaign_updated",
    "campaigncall_created",
    "campaigncall_deleted",
    "campaigncall_updated",
    "chat_created",
    "chat_deleted",
    "chat_updated",
    "chatmessage_created",
    "chatmessage_deleted",
    "chatmessage_reaction_updated",
    "chatparticipant_added",
    "chatparticipant_removed",
    "conference_created",
    "conference_deleted",
    "conference_updated",
    "conversation_created",
    "conversation_message_created",
    "conversation_message_deleted",
    "conversation_message_updated",
    "conversation_updated",
    "email_created",
    "email_deleted",
    "email_updated",
    "groupcall_created",
    "groupcall_deleted",
    "groupcall_hangup",
    "groupcall_progressing",
    "message_created",
    "message_deleted",
    "message_updated",
    "number_created",
    "number_deleted",
    "number_updated",
    "outdial_created",
    "outdial_deleted",
    "outdial_updated",
    "queuecall_abandoned",
    "queuecall_connecting",
    "queuecall_created",
    "queuecall_deleted",
    "queuecall_done",
    "queuecall_serviced",
    "queuecall_waiting",
    "recording_finished",
    "recording_started",
    "summary_created",
    "summary_deleted",
    "summary_updated",
    "team_created",
    "team_deleted",
    "team_updated",
    "transcribe_created",
    "transcribe_done",
    "transcribe_progressing",
    "transcribe_speech_ended",
    "transcribe_speech_interim",
    "transcribe_speech_started",
    "transcript_created",
    "webchat_message_created",
    "webchat_session_ended",
];

/// The publisher whose `account_*` events leave.
const ACCOUNTS: &str = "conversation-manager";

/// Does an event of this publisher and type leave the platform?
pub fn is_delivered(publisher: &str, r#type: &str) -> bool {
    let foreign = r#type.starts_with("account_") && publisher != ACCOUNTS;
    !foreign && DELIVERED.binary_search(&r#type).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delivered_type_is_found_and_stands_once() {
        assert!(DELIVERED.is_sorted() && DELIVERED.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(DELIVERED.iter().all(|r#type| is_delivered(ACCOUNTS, r#type)));
        assert_eq!(DELIVERED.len(), 95);
    }

    #[test]
    fn what_is_internal_stays() {
        for (publisher, r#type) in [
            ("billing-manager", "billing_account_created"),
            ("storage-manager", "account_created"),
            ("customer-manager", "customer_created"),
            ("call-manager", "call_hangup2"),
            ("flow-manager", "flow_updated"),
            ("queue-manager", "queue_updated"),
        ] {
            assert!(!is_delivered(publisher, r#type), "{type}");
        }
    }
}
