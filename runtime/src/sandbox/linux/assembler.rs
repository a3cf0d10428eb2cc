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
    let mut filter = vec![
        instruction(LOAD, 0, 0, ARCHITECTURE_AT),
        instruction(JUMP_IF_EQUAL, 1, 0, architecture),
        instruction(RETURN, 0, 0, KILL_PROCESS),
        instruction(LOAD, 0, 0, NUMBER_AT),
    ];
    filter.extend(tree(verdicts, refusal));
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

fn tree(verdicts: &[(u32, Verdict)], refusal: RefusedCalls) -> Vec<sock_filter> {
    if let [(_, verdict)] = verdicts {
        return leaf(verdict, refusal);
    }
    let (low, high) = verdicts.split_at(verdicts.len() / 2);
    let Some((start, _)) = high.first() else { return leaf(&Verdict::Refuse, refusal) };
    let (low, high) = (tree(low, refusal), tree(high, refusal));
    let length = u32::try_from(low.len()).expect("a filter is short");
    let mut branch = vec![instruction(JUMP_IF_AT_LEAST, 0, 1, *start), instruction(JUMP, 0, 0, length)];
    branch.extend(low);
    branch.extend(high);
    branch
}

fn leaf(verdict: &Verdict, refusal: RefusedCalls) -> Vec<sock_filter> {
    let refuse = match refusal {
        RefusedCalls::Errno => ERRNO | EPERM,
        RefusedCalls::Trap => TRAP,
    };
    let code = match verdict {
        Verdict::Allow => ALLOW,
        Verdict::Refuse => refuse,
        Verdict::Unknown => ERRNO | ENOSYS,
        Verdict::AllowIf(alternatives) => {
            let mut code: Vec<_> =
                alternatives.iter().flat_map(|conditions| alternative(conditions)).collect();
            code.push(instruction(RETURN, 0, 0, refuse));
            return code;
        }
    };
    vec![instruction(RETURN, 0, 0, code)]
}

/// Allows the call if all conditions are met, and continues behind these instructions otherwise.
fn alternative(conditions: &[Condition]) -> Vec<sock_filter> {
    let lengths: usize = conditions.iter().map(|condition| condition.length()).sum();
    let mut left = lengths;
    let mut code = Vec::with_capacity(lengths + 1);
    for condition in conditions {
        left -= condition.length();
        code.push(instruction(LOAD, 0, 0, ARGUMENTS_AT + 8 * u32::from(condition.argument)));
        if condition.mask != u32::MAX {
            code.push(instruction(AND, 0, 0, condition.mask));
        }
        // Past the other conditions and the return.
        let failed = u8::try_from(left + 1).expect("few conditions");
        let (met, differs) = if condition.is_equal { (0, failed) } else { (failed, 0) };
        code.push(instruction(JUMP_IF_EQUAL, met, differs, condition.value));
    }
    code.push(instruction(RETURN, 0, 0, ALLOW));
    code
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

    /// Number of its instructions.
    fn length(self) -> usize {
        if self.mask == u32::MAX { 2 } else { 3 }
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
