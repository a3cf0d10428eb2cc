//! Filters of system calls for the kernel, as programs of classic BPF.
//!
//! The kernel runs a filter at each system call that it cannot decide in advance, and runs it once
//! for each number when the filter is installed. A filter that compares one number after the other,
//! as the crate `seccompiler` generates it, therefore takes 0.8 ms to install with 300 numbers. This
//! one is a balanced tree and takes 0.1 ms.

use seccompiler::sock_filter;

/// Decision about a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// The call fails with `EPERM`, or ends the process.
    Refuse,
    /// The call fails with `ENOSYS`, so that its caller does without it.
    Unknown,
    /// Allowed if all conditions of one list are met. Otherwise refused.
    AllowIf(Vec<Vec<Condition>>),
}

/// Comparison of an argument: its low 32 bits, masked, are equal to a value, or differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) argument: u8,
    pub(super) mask: u32,
    pub(super) value: u32,
    pub(super) is_equal: bool,
}

/// Action of the kernel for refused calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusedCalls {
    Errno,
    Trap,
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

const KILL_PROCESS: u32 = 0x8000_0000;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Offsets in the data that the kernel passes to a filter (`struct seccomp_data`).
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const ARGUMENTS_AT: u32 = 16;

/// Assembles a filter for one architecture. `verdicts` are sorted by the numbers from which they
/// apply, up to the next one, and begin with 0. A call of another architecture ends the process.
pub(super) fn assemble(
    architecture: u32,
    verdicts: &[(u32, Verdict)],
    refusal: RefusedCalls,
) -> Vec<sock_filter> {
    let mut filter = Vec::with_capacity(512);
    filter.extend([
        instruction(LOAD, 0, 0, ARCHITECTURE_AT),
        instruction(JUMP_IF_EQUAL, 1, 0, architecture),
        instruction(RETURN, 0, 0, KILL_PROCESS),
        instruction(LOAD, 0, 0, NUMBER_AT),
    ]);
    let returns = Returns {
        refuse: match refusal {
            RefusedCalls::Errno => ERRNO | EPERM,
            RefusedCalls::Trap => TRAP,
        },
    };
    append(&mut filter, verdicts, &returns);
    filter
}

/// Joins neighbors with the same verdict.
pub(super) fn coalesce(verdicts: impl Iterator<Item = (u32, Verdict)>) -> Vec<(u32, Verdict)> {
    let mut ranges: Vec<(u32, Verdict)> = Vec::new();
    for (start, verdict) in verdicts {
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((start, verdict));
        }
    }
    ranges
}

/// Most instructions of a block, so that each can jump to the returns behind it, across at most 255.
const MAX_BLOCK: usize = 240;

/// Results of a filter.
struct Returns {
    refuse: u32,
}

impl Returns {
    /// Result of a verdict that does not depend on arguments.
    fn of(&self, verdict: &Verdict) -> Option<u32> {
        match verdict {
            Verdict::Allow => Some(ALLOW),
            Verdict::Refuse => Some(self.refuse),
            Verdict::Unknown => Some(ERRNO | ENOSYS),
            Verdict::AllowIf(_) => None,
        }
    }
}

/// Appends the decision between verdicts: one block, or a branch between two halves.
fn append(filter: &mut Vec<sock_filter>, verdicts: &[(u32, Verdict)], returns: &Returns) {
    let lengths = verdicts.iter().map(|(_, verdict)| 1 + verdict.max_length());
    if lengths.sum::<usize>() <= MAX_BLOCK || verdicts.len() < 2 {
        let mut block = Block { filter, jumps: Vec::with_capacity(MAX_BLOCK) };
        block.append(verdicts, returns);
        return block.finish();
    }
    let (low, high) = verdicts.split_at(verdicts.len() / 2);
    filter.push(instruction(JUMP_IF_AT_LEAST, 0, 1, high[0].0));
    let jump = filter.len();
    filter.push(instruction(JUMP, 0, 0, 0));
    append(filter, low, returns);
    filter[jump].k = u32::try_from(filter.len() - jump - 1).expect("a filter is short");
    append(filter, high, returns);
}

/// Instructions that share the returns behind them.
struct Block<'a> {
    filter: &'a mut Vec<sock_filter>,
    /// Jumps to returns: the place of the instruction, `true` if it is taken if the condition is met,
    /// and the result.
    jumps: Vec<(usize, bool, u32)>,
}

impl Block<'_> {
    /// Appends the decision, which is entered at its first instruction.
    fn append(&mut self, verdicts: &[(u32, Verdict)], returns: &Returns) {
        match verdicts {
            [] => {}
            [(_, Verdict::AllowIf(alternatives))] => self.append_alternatives(alternatives, returns),
            [(_, verdict)] => {
                let result = returns.of(verdict).unwrap_or(returns.refuse);
                self.filter.push(instruction(RETURN, 0, 0, result));
            }
            _ => {
                let (low, high) = verdicts.split_at(verdicts.len() / 2);
                let at = self.filter.len();
                self.filter.push(instruction(JUMP_IF_AT_LEAST, 0, 0, high[0].0));
                match (low, returns.of(&low[0].1)) {
                    ([_], Some(result)) => self.jumps.push((at, false, result)),
                    _ => self.append(low, returns),
                }
                match (high, returns.of(&high[0].1)) {
                    ([_], Some(result)) => self.jumps.push((at, true, result)),
                    _ => {
                        self.filter[at].jt = distance(at, self.filter.len());
                        self.append(high, returns);
                    }
                }
            }
        }
    }

    /// Allows the call if all conditions of one list are met.
    fn append_alternatives(&mut self, alternatives: &[Vec<Condition>], returns: &Returns) {
        let mut loaded = None;
        for conditions in alternatives {
            let mut failing = Vec::with_capacity(conditions.len());
            for condition in conditions {
                let value = (condition.argument, condition.mask);
                // An earlier alternative may have failed after any of its loads.
                let is_loaded = loaded == Some(Some(value));
                if !is_loaded {
                    loaded = if loaded.is_none() { Some(Some(value)) } else { Some(None) };
                    let at = ARGUMENTS_AT + 8 * u32::from(condition.argument);
                    self.filter.push(instruction(LOAD, 0, 0, at));
                    if condition.mask != u32::MAX {
                        self.filter.push(instruction(AND, 0, 0, condition.mask));
                    }
                }
                failing.push((self.filter.len(), !condition.is_equal));
                self.filter.push(instruction(JUMP_IF_EQUAL, 0, 0, condition.value));
            }
            self.filter.push(instruction(RETURN, 0, 0, ALLOW));
            let next = self.filter.len();
            for (at, is_met) in failing {
                let jump = &mut self.filter[at];
                *(if is_met { &mut jump.jt } else { &mut jump.jf }) = distance(at, next);
            }
        }
        self.filter.push(instruction(RETURN, 0, 0, returns.refuse));
    }

    /// Appends the returns that are jumped to.
    fn finish(self) {
        let mut places: Vec<(u32, usize)> = Vec::with_capacity(4);
        for (at, is_met, result) in self.jumps {
            let place = match places.iter().find(|(other, _)| *other == result) {
                Some((_, place)) => *place,
                None => {
                    self.filter.push(instruction(RETURN, 0, 0, result));
                    places.push((result, self.filter.len() - 1));
                    self.filter.len() - 1
                }
            };
            let jump = &mut self.filter[at];
            *(if is_met { &mut jump.jt } else { &mut jump.jf }) = distance(at, place);
        }
    }
}

/// Number of instructions between a jump and its target.
fn distance(from: usize, to: usize) -> u8 {
    u8::try_from(to - from - 1).expect("a block is short")
}

impl Verdict {
    /// Upper bound of its instructions.
    fn max_length(&self) -> usize {
        match self {
            Self::AllowIf(alternatives) => {
                1 + alternatives.iter().map(|conditions| 1 + 3 * conditions.len()).sum::<usize>()
            }
            _ => 1,
        }
    }
}

impl Condition {
    pub(super) fn is(argument: u8, value: u32) -> Self {
        Self { argument, mask: u32::MAX, value, is_equal: true }
    }

    pub(super) fn is_not(argument: u8, value: u32) -> Self {
        Self { is_equal: false, ..Self::is(argument, value) }
    }

    /// The bits of `mask` have this value.
    pub(super) fn bits(argument: u8, mask: u32, value: u32) -> Self {
        Self { mask, ..Self::is(argument, value) }
    }
}

fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a filter as the kernel does.
    pub(in crate::sandbox::linux) fn run(
        filter: &[sock_filter],
        architecture: u32,
        number: u32,
        arguments: [u64; 6],
    ) -> u32 {
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = filter[at];
            at += 1;
            let jump = |is_met: bool| usize::from(if is_met { jt } else { jf });
            match code {
                LOAD if k == NUMBER_AT => accumulator = number,
                LOAD if k == ARCHITECTURE_AT => accumulator = architecture,
                LOAD => {
                    let argument = usize::try_from((k - ARGUMENTS_AT) / 8).unwrap();
                    accumulator = arguments[argument] as u32;
                }
                AND => accumulator &= k,
                JUMP => at += usize::try_from(k).unwrap(),
                JUMP_IF_EQUAL => at += jump(accumulator == k),
                JUMP_IF_AT_LEAST => at += jump(accumulator >= k),
                RETURN => return k,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn a_filter_decides_as_its_list_says() {
        let even = Verdict::AllowIf(vec![
            vec![Condition::bits(1, 1, 0), Condition::is_not(0, 9)],
            vec![Condition::is(5, 7)],
        ]);
        // Long enough for a jump across more than 255 instructions.
        let verdict = |number: u32| match number % 4 {
            0 => Verdict::Allow,
            1 => Verdict::Refuse,
            2 => Verdict::Unknown,
            _ => even.clone(),
        };
        let verdicts = coalesce((0..600).map(|number| (number, verdict(number))));
        for (refusal, refused) in [(RefusedCalls::Errno, ERRNO | EPERM), (RefusedCalls::Trap, TRAP)] {
            let filter = assemble(7, &verdicts, refusal);
            assert!(filter.len() < 4096, "the kernel accepts no longer filter");
            for number in 0..600 {
                let ran = |arguments| run(&filter, 7, number, arguments);
                let expected = match verdict(number) {
                    Verdict::Allow => [ALLOW; 4],
                    Verdict::Refuse => [refused; 4],
                    Verdict::Unknown => [ERRNO | ENOSYS; 4],
                    Verdict::AllowIf(_) => [ALLOW, refused, refused, ALLOW],
                };
                let found = [[0; 6], [0, 1, 0, 0, 0, 0], [9, 0, 0, 0, 0, 0], [9, 1, 0, 0, 0, 7]].map(ran);
                assert_eq!(found, expected, "{number}");
            }
            assert_eq!(run(&filter, 8, 0, [0; 6]), KILL_PROCESS);
            assert_eq!(run(&filter, 7, u32::MAX, [0, 1, 0, 0, 0, 0]), refused, "the last verdict applies");
        }
    }

    #[test]
    fn neighbors_with_one_verdict_are_joined() {
        let verdicts = [(0, Verdict::Allow), (1, Verdict::Allow), (2, Verdict::Refuse)];
        assert_eq!(coalesce(verdicts.into_iter()), [(0, Verdict::Allow), (2, Verdict::Refuse)]);
    }
}
