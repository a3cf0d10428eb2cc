/// Line that is being edited.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    chars: Vec<char>,
    cursor: usize,
}

/// Edit of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Insert(char),
    Backspace,
    Delete,
    Left,
    Right,
    Home,
    End,
    KillToEnd,
    KillToStart,
    KillWord,
}

impl LineBuffer {
    pub(crate) fn text(&self) -> String {
        self.chars.iter().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    /// Text before the cursor.
    pub(crate) fn before(&self) -> String {
        self.chars[..self.cursor].iter().collect()
    }

    /// Replaces the line, and puts the cursor at its end.
    pub(crate) fn set(&mut self, text: &str) {
        self.chars = text.chars().collect();
        self.cursor = self.chars.len();
    }

    pub(crate) fn edit(&mut self, edit: Edit) {
        let (cursor, length) = (self.cursor, self.chars.len());
        match edit {
            Edit::Insert(c) => {
                self.chars.insert(cursor, c);
                self.cursor += 1;
            }
            Edit::Backspace if cursor > 0 => {
                self.cursor -= 1;
                self.chars.remove(self.cursor);
            }
            Edit::Delete if cursor < length => drop(self.chars.remove(cursor)),
            Edit::Left => self.cursor = cursor.saturating_sub(1),
            Edit::Right => self.cursor = length.min(cursor + 1),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = length,
            Edit::KillToEnd => self.chars.truncate(cursor),
            Edit::KillToStart => self.remove_before(0),
            Edit::KillWord => {
                let before = &self.chars[..cursor];
                let word_end = before.iter().rposition(|c| *c != ' ').map_or(0, |at| at + 1);
                self.remove_before(before[..word_end].iter().rposition(|c| *c == ' ').map_or(0, |at| at + 1));
            }
            Edit::Backspace | Edit::Delete => {}
        }
    }

    /// Removes the characters from `start` to the cursor.
    fn remove_before(&mut self, start: usize) {
        self.chars.drain(start..self.cursor);
        self.cursor = start;
    }

    /// Part of the line that fits into `width` columns with the cursor, and the column of the
    /// cursor in it.
    pub(crate) fn window(&self, width: usize) -> (String, usize) {
        let width = width.max(1);
        let start = (self.cursor + 1).saturating_sub(width);
        (self.chars[start..].iter().take(width).collect(), self.cursor - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_change_the_text_and_move_the_cursor() {
        let mut line = LineBuffer::default();
        line.set("add a=5 b");
        let after = |line: &mut LineBuffer, edits: &[Edit]| {
            edits.iter().for_each(|edit| line.edit(*edit));
            (line.text(), line.before())
        };
        let state = |text: &str, before: &str| (text.to_owned(), before.to_owned());
        assert_eq!(after(&mut line, &[Edit::Insert('é'), Edit::Backspace]), state("add a=5 b", "add a=5 b"));
        assert_eq!(after(&mut line, &[Edit::KillWord]), state("add a=5 ", "add a=5 "));
        assert_eq!(after(&mut line, &[Edit::KillWord]), state("add ", "add "));
        assert_eq!(after(&mut line, &[Edit::Home, Edit::Right, Edit::Delete]), state("ad ", "a"));
        assert_eq!(after(&mut line, &[Edit::KillToEnd, Edit::Delete]), state("a", "a"));
        assert_eq!(after(&mut line, &[Edit::Left, Edit::Left, Edit::Backspace]), state("a", ""));
        assert_eq!(after(&mut line, &[Edit::End, Edit::Insert('b'), Edit::KillToStart]), state("", ""));
        assert_eq!(after(&mut line, &[Edit::KillWord, Edit::Right]), state("", ""));
    }

    #[test]
    fn a_long_line_shows_the_part_with_the_cursor() {
        let mut line = LineBuffer::default();
        line.set("0123456789");
        assert_eq!(line.window(20), ("0123456789".to_owned(), 10));
        assert_eq!(line.window(5), ("6789".to_owned(), 4));
        line.edit(Edit::Home);
        assert_eq!(line.window(5), ("01234".to_owned(), 0));
    }
}
