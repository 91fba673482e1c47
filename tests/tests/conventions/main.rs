//! What holds for all sources, found by reading them.

#![expect(clippy::unwrap_used, reason = "a test")]

mod doc_sentences;
mod docker_words;
mod owned_tasks;
mod type_names;
