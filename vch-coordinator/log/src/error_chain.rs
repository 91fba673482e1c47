//! Formats an error with its causes as one line.

/// Returns an error's message, followed by the messages of its causes
/// ([`Error::source`](std::error::Error::source)), joined by `: ` on one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
