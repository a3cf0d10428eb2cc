use std::io::{self, IsTerminal};
use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::failure::Failure;
use crate::input;
use crate::line_editor::LineEditor;

/// Lines of the standard input: of an editor with completion and history if it is a terminal.
pub(crate) enum Prompt {
    Lines(Pin<Box<dyn Stream<Item = Result<String, Failure>>>>),
    /// Requests of lines to the thread of the editor, which reads only if it is asked.
    Editor(mpsc::UnboundedSender<oneshot::Sender<io::Result<Option<String>>>>),
}

impl Prompt {
    /// `completions`: first words of a line, each with the words that may follow.
    pub(crate) fn new(completions: Vec<(String, Vec<String>)>) -> Self {
        let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !is_terminal || cfg!(not(unix)) {
            return Self::Lines(Box::pin(input::lines()));
        }
        let (sender, mut requests) = mpsc::unbounded_channel::<oneshot::Sender<_>>();
        // A thread, because a read may block for ever.
        std::thread::spawn(move || {
            let mut editor = LineEditor::new(completions);
            while let Some(reply) = requests.blocking_recv() {
                let _ = reply.send(editor.read("iw> "));
            }
        });
        Self::Editor(sender)
    }

    /// Returns `true` if a user types the lines.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Editor(_))
    }

    /// Returns the next line. `None` at the end of the input.
    pub(crate) async fn line(&mut self) -> Result<Option<String>, Failure> {
        match self {
            Self::Lines(lines) => lines.next().await.transpose(),
            Self::Editor(requests) => {
                let (reply, line) = oneshot::channel();
                let _ = requests.send(reply);
                // The thread ends with this process.
                Ok(line.await.unwrap_or(Ok(None))?)
            }
        }
    }
}
