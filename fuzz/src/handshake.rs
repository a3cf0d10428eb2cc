//! Bytes as the first line of the other side, on either side.

use isolated_workers::testing::hear_handshake;

/// What stands behind the line is left for the frames, to the byte.
pub fn check(data: &[u8]) {
    let behind = data.iter().position(|byte| *byte == b'\n').map(|end| &data[end + 1..]);
    for rest in hear_handshake(data).into_iter().flatten() {
        assert_eq!(Some(&rest[..]), behind);
    }
}
