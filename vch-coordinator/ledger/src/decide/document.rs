//! Stores documents with containers.

use super::{Decision, DecisionContext, Draft, short_enough};
use crate::{Answer, ContainerRef, Document, DocumentKind, MAX_DOCUMENT, Refusal, Row, lookup};

/// Stores a document, in place of the container's one of its kind.
///
/// # Errors
/// Returns [`Refusal`] if the text is too long, or no container has that name or ID.
pub(super) fn keep(
    context: DecisionContext<'_>,
    container: &ContainerRef,
    kind: DocumentKind,
    text: String,
) -> Result<Decision, Refusal> {
    short_enough("document", &text, MAX_DOCUMENT)?;
    let entry = lookup::container(context.state, container)?;
    let container = entry.row.id;
    let row = Row::Document(Document {
        container,
        kind,
        text: text.into(),
    });
    let mut draft = Draft::default();
    match entry.documents.get(&kind) {
        Some(old) => draft.replace(Row::Document(old.clone()), row),
        None => draft.add(row),
    }
    Ok(draft.answered(Answer::Documented { container }))
}
