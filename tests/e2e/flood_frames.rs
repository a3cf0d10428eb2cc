//! Frames of a peer that writes and never reads.

/// Frames in one batch.
const BATCH: usize = 64;

/// Kinds of frames that need no answer, or one for all.
pub(crate) const UNANSWERED: [&str; 3] = ["pings", "answers", "cancels"];

/// Returns the frames of this kind and batch, in JSON.
pub(crate) fn frames(kind: &str, batch: usize) -> String {
    let long = "x".repeat(10_000);
    let frame = |number: usize| match kind {
        "pings" => "{\"kind\":\"ping\"}\n".to_owned(),
        "requests" => format!("{{\"type\":\"unknown\",\"tx\":\"{number}\",\"kind\":\"request\"}}\n"),
        "long-names" => format!("{{\"type\":\"{long}\",\"tx\":\"{number}\",\"kind\":\"request\"}}\n"),
        "long-ids" => format!("{{\"type\":\"unknown\",\"tx\":\"{long}{number}\",\"kind\":\"request\"}}\n"),
        "waits" => format!("{{\"type\":\"wait\",\"tx\":\"{number}\",\"kind\":\"request\"}}\n"),
        "oneway-waits" => format!("{{\"type\":\"wait\",\"tx\":\"{number}\",\"kind\":\"oneway\"}}\n"),
        "answers" => {
            format!("{{\"type\":\"waitResult\",\"tx\":\"no call {number}\",\"kind\":\"reply\"}}\n")
        }
        "cancels" => format!("{{\"tx\":\"{number}\",\"kind\":\"cancel\"}}\n"),
        other => panic!("unknown kind {other}"),
    };
    (BATCH * batch..BATCH * (batch + 1)).map(frame).collect()
}
