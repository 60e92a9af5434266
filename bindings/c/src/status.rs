//! The status codes: 0, the wire's error codes by their numbers, and two that are no errors.

use mesh_core::ErrorCode;

/// How a function ended: `MESH_OK`, an error code of the wire (`MESH_ERR_...`, or a number from
/// 1000 on that is the application's own), or, for streams, `MESH_END` and `MESH_AGAIN`.
pub type MeshStatus = i32;

/// It went well.
pub const MESH_OK: MeshStatus = 0;
/// The stream has ended; there is no item. No error.
pub const MESH_END: MeshStatus = -1;
/// Nothing came within the given time; the stream goes on. No error.
pub const MESH_AGAIN: MeshStatus = -2;

/// The handler failed and says why; the app is well.
pub const MESH_ERR_APPLICATION: MeshStatus = 1;
/// The handler panicked; the app goes on serving.
pub const MESH_ERR_PANICKED: MeshStatus = 2;
/// The exchange was cancelled, by its caller or by a tool.
pub const MESH_ERR_CANCELLED: MeshStatus = 3;
/// The deadline passed first.
pub const MESH_ERR_DEADLINE: MeshStatus = 4;
/// No app of this name is registered, or its program is gone.
pub const MESH_ERR_NO_SUCH_APP: MeshStatus = 10;
/// The app has no such method.
pub const MESH_ERR_NO_SUCH_METHOD: MeshStatus = 11;
/// The arguments do not fit the method.
pub const MESH_ERR_BAD_ARGUMENTS: MeshStatus = 12;
/// The method is a stream and was called.
pub const MESH_ERR_IS_STREAM: MeshStatus = 13;
/// A value cannot be encoded, or does not decode as what the reader asked for.
pub const MESH_ERR_BAD_VALUE: MeshStatus = 14;
/// A message is larger than its reader takes.
pub const MESH_ERR_TOO_LARGE: MeshStatus = 15;
/// A text is not allowed as a name.
pub const MESH_ERR_BAD_NAME: MeshStatus = 16;
/// The app could not be started, or died before it was ready.
pub const MESH_ERR_LAUNCH_FAILED: MeshStatus = 20;
/// The app runs but does not answer.
pub const MESH_ERR_NOT_RESPONDING: MeshStatus = 21;
/// No connection could be made.
pub const MESH_ERR_CONNECT_FAILED: MeshStatus = 22;
/// The connection ended before the exchange did.
pub const MESH_ERR_CONNECTION_LOST: MeshStatus = 23;
/// The name is taken by a live app.
pub const MESH_ERR_ALREADY_RUNNING: MeshStatus = 24;
/// The app is not running and the caller asked not to launch it.
pub const MESH_ERR_NOT_RUNNING: MeshStatus = 25;
/// Refused for safety: a file, directory or peer is not to be trusted.
pub const MESH_ERR_REFUSED: MeshStatus = 30;
/// Too much at once; try again.
pub const MESH_ERR_BUSY: MeshStatus = 31;
/// The app is stopping.
pub const MESH_ERR_SHUTTING_DOWN: MeshStatus = 32;
/// The name was started too often and is suspended for a while.
pub const MESH_ERR_SUSPENDED: MeshStatus = 33;
/// The calls lead in a circle, or through too many apps.
pub const MESH_ERR_CALL_LOOP: MeshStatus = 34;
/// The peer broke the protocol.
pub const MESH_ERR_PROTOCOL: MeshStatus = 40;
/// The two ends have no protocol version in common.
pub const MESH_ERR_VERSION: MeshStatus = 41;
/// The registry cannot be read, locked or written.
pub const MESH_ERR_REGISTRY: MeshStatus = 50;
/// The home directory cannot be used.
pub const MESH_ERR_HOME: MeshStatus = 51;
/// The program used the library in a way that cannot work.
pub const MESH_ERR_MISUSE: MeshStatus = 60;
/// A fault of the runtime itself.
pub const MESH_ERR_INTERNAL: MeshStatus = 61;

/// The status of an error.
pub(crate) fn of(code: ErrorCode) -> MeshStatus {
    MeshStatus::from(code.number())
}

/// The error code of a status, if it is one.
pub(crate) fn code(status: MeshStatus) -> Option<ErrorCode> {
    u16::try_from(status).ok().filter(|&number| number != 0).map(ErrorCode::from_number)
}
