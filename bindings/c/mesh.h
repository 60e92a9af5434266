/*
 * mesh for C11 (and, by mesh.hpp, C++17): apps on one machine that find, launch, call, stream from
 * and cancel each other. Made of bindings/c/src by bindings/c/check --write; do not edit.
 *
 * What holds for every function:
 *
 * - Texts are UTF-8 with a length, `mesh_text`; `mesh_str("...")` makes one of a C string. Where
 *   one is optional, the empty text is none.
 * - A function that can fail answers a `mesh_status`, 0 for success. `mesh_last_error()` then says
 *   what happened, for the thread that called; where a pointer is answered, NULL is failure.
 * - What is called "the caller's" is freed by the caller, once, with the `mesh_free_...` of its
 *   kind. What is "lent" is not freed; it lives as long as is said. Whatever a function is given
 *   stays the caller's unless it says otherwise.
 * - NULL, handles of another kind, and handles that were closed are refused with
 *   MESH_ERR_MISUSE. Using a handle after it was freed is undefined, as anywhere in C.
 * - Functions without a word about threads may run on any thread, on several at once; but a value
 *   is changed by one thread alone, while no other reads it.
 * - Structures of options begin with their size: set `struct_size` to sizeof, the rest to zero.
 * - Callbacks run on threads of mesh. They must not throw; what they were given as `user_data` goes
 *   to their `destroy` once, on any thread.
 * - Nothing here is for signal handlers. A child after fork is refused. The library has threads:
 *   it is not to be unloaded by dlclose.
 */
#ifndef MESH_H
#define MESH_H


#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * The version of this interface: functions come without a new one, and go only with one.
 */
#define MESH_ABI_VERSION 1

/**
 * No bound, as a timeout.
 */
#define MESH_FOREVER -1

/**
 * An app that is off is not launched: the call fails as `not_running`.
 */
#define MESH_NO_LAUNCH 1

/**
 * A second start says who runs, in one line on stderr, and ends the process with exit code 0.
 */
#define MESH_EXIT_IF_RUNNING 1

/**
 * The registry is left alone: the app is found while it runs and never launched.
 */
#define MESH_UNREGISTERED 2

/**
 * `command` is an interpreter and a script.
 */
#define MESH_SCRIPT 4

/**
 * One call at a time; others wait their turn without holding a thread.
 */
#define MESH_SERIAL 1

/**
 * Callers are told that repeating a call does no harm.
 */
#define MESH_IDEMPOTENT 2

/**
 * Any arguments at all.
 */
#define MESH_ANY_PARAMS 4

/**
 * An app that owns its name. Every function of it may run on any thread, on several at once.
 */
typedef struct mesh_app mesh_app;

/**
 * The arguments of a call that a handler serves; lent to the handler until it returns. Any thread
 * may read them meanwhile.
 */
typedef struct mesh_args mesh_args;

/**
 * Calls other apps, over one connection to each. Every function of it may run on any thread, on
 * several at once. Where a function takes one, NULL is the process's own client, which has no
 * settings and is never freed.
 */
typedef struct mesh_client mesh_client;

/**
 * The call that a handler serves; lent to the handler until it returns. Any thread may use it
 * meanwhile. To hear of a cancel later, keep its token.
 */
typedef struct mesh_context mesh_context;

/**
 * What went wrong: a code, a message, often the next step, sometimes data of the app's.
 */
typedef struct mesh_error mesh_error;

/**
 * Keeps an action of `mesh_token_on_cancel` waiting.
 */
typedef struct mesh_guard mesh_guard;

/**
 * A call that waits to be served, or the rest of a stream: what an executor is handed.
 */
typedef struct mesh_job mesh_job;

/**
 * Where a stream handler puts its items; lent to the handler until it returns. Any thread may use
 * it meanwhile, on several at once.
 */
typedef struct mesh_sink mesh_sink;

/**
 * The items of a stream. The app is slowed to the pace at which they are taken. Every function of
 * it may run on any thread; those that wait for an item take turns.
 */
typedef struct mesh_stream mesh_stream;

/**
 * Told once that work is no longer wanted. Every function of it may run on any thread, on several
 * at once.
 */
typedef struct mesh_token mesh_token;

/**
 * Any value that can be on the wire: nothing, truth, a whole number from `INT64_MIN` to
 * `UINT64_MAX`, a `double`, text, bytes, a list, or a map, whose keys may be any values.
 *
 * A value that a function answers as `mesh_value *` is the caller's: `mesh_free_value`, once. What
 * is answered as `const mesh_value *` is lent by what it is in. Functions that only read may run
 * on several threads at once.
 */
typedef struct mesh_value mesh_value;

/**
 * UTF-8 text: where it begins, and how many bytes it has. `{NULL, 0}` is the empty text.
 */
typedef struct {
  /**
   * The first byte. Only texts that the caller has to free end with a NUL.
   */
  const char *ptr;
  /**
   * Bytes, without a NUL.
   */
  size_t len;
} mesh_text;

/**
 * How a function ended: `MESH_OK`, an error code of the wire (`MESH_ERR_...`, or a number from
 * 1000 on that is the application's own), or, for streams, `MESH_END` and `MESH_AGAIN`.
 */
typedef int32_t mesh_status;

/**
 * Bytes: where they begin, and how many they are. `{NULL, 0}` is no bytes.
 */
typedef struct {
  /**
   * The first byte.
   */
  const uint8_t *ptr;
  /**
   * How many.
   */
  size_t len;
} mesh_bytes;

/**
 * What a value is: one of `MESH_NULL` to `MESH_MAP`.
 */
typedef int32_t mesh_kind;

/**
 * Settings of a client. Zeros are the defaults.
 */
typedef struct {
  /**
   * `sizeof(mesh_client_options)`.
   */
  size_t struct_size;
  /**
   * The home; by default `MESH_HOME`, or `~/.mesh`.
   */
  mesh_text home;
  /**
   * The name that peers are told beside what the kernel tells them.
   */
  mesh_text name;
  /**
   * Bounds other than the default ones, a map of names to whole numbers: `message` and the
   * others of `Limits`. Copied.
   */
  const mesh_value *limits;
  /**
   * Told of each launch, on the thread that waits for it: a map with `event` (`started`,
   * `waiting`, `ready`), `name`, `pid`, and `elapsed_ms` where it is known.
   */
  void (*on_launch)(void*, const mesh_value*);
  /**
   * What `on_launch` is given first.
   */
  void *on_launch_data;
  /**
   * Called once when `on_launch` is not needed any more, also on failure; NULL for nothing.
   */
  void (*on_launch_destroy)(void*);
} mesh_client_options;

/**
 * Options of one call or stream. Zeros are the defaults.
 */
typedef struct {
  /**
   * `sizeof(mesh_call_options)`.
   */
  size_t struct_size;
  /**
   * Bounds everything together: the launch, the wait, the answer. 0 is the default, 5 s from the
   * moment the app is ready (for a stream: for the first item, and between two); negative
   * (`MESH_FOREVER`) is no bound.
   */
  int64_t timeout_ms;
  /**
   * Cancels it, and the wait for it; NULL for none. Need not outlive the function.
   */
  const mesh_token *token;
  /**
   * `MESH_NO_LAUNCH`, or 0.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
} mesh_call_options;

/**
 * Settings of an app. Zeros are the defaults.
 */
typedef struct {
  /**
   * `sizeof(mesh_app_options)`.
   */
  size_t struct_size;
  /**
   * The home; by default `MESH_HOME`, or `~/.mesh`.
   */
  mesh_text home;
  /**
   * The app's own version, for people.
   */
  mesh_text version;
  /**
   * The directory that it is launched in; by default the program's own.
   */
  mesh_text cwd;
  /**
   * The command that launches it, a list of texts, instead of its program without arguments. For
   * a script (`MESH_SCRIPT`) the interpreter, then the script. Copied.
   */
  const mesh_value *command;
  /**
   * Additions to the environment that it is launched with, a map of texts. Copied.
   */
  const mesh_value *env;
  /**
   * Bounds other than the default ones, a map of names to whole numbers: `handlers` and the
   * others of `Limits`. Copied.
   */
  const mesh_value *limits;
  /**
   * How long it may take from its start until it is ready; 0 is 10 s.
   */
  int64_t ready_timeout_ms;
  /**
   * How long calls in flight may go on when it is asked to stop; 0 is 5 s.
   */
  int64_t stop_grace_ms;
  /**
   * Is handed every call, and runs it where it likes by `mesh_job_run`: on the main loop of a
   * GUI, say. It must not block, and must run or free every job. NULL: on threads of mesh.
   */
  void (*executor)(void*, mesh_job*);
  /**
   * What `executor` is given first.
   */
  void *executor_data;
  /**
   * Called once when `executor` is not needed any more, also on failure; NULL for nothing.
   */
  void (*executor_destroy)(void*);
  /**
   * `MESH_EXIT_IF_RUNNING`, `MESH_UNREGISTERED`, `MESH_SCRIPT`.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
} mesh_app_options;

/**
 * What a method is called, how it behaves, what it takes. Zeros are the defaults.
 */
typedef struct {
  /**
   * `sizeof(mesh_method)`.
   */
  size_t struct_size;
  /**
   * Its name: 1 to 256 bytes of printable text, not beginning with `mesh.`.
   */
  mesh_text name;
  /**
   * What it does, for people.
   */
  mesh_text doc;
  /**
   * The names of its parameters in order. Copied.
   */
  const mesh_text *params;
  /**
   * How many.
   */
  size_t params_len;
  /**
   * `MESH_SERIAL`, `MESH_IDEMPOTENT`, `MESH_ANY_PARAMS`.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
} mesh_method;

/**
 * Answers a call: puts a value into `out`, which mesh then owns (none is nothing), and returns
 * `MESH_OK`; or returns what `mesh_fail` answered, or the status of another function that failed.
 * All that it is given is lent until it returns. Runs on threads of mesh, on several at once
 * unless the method is `MESH_SERIAL`. It must not throw: an exception that gets out ends the
 * process.
 */
typedef mesh_status (*mesh_handler)(void *user_data,
                                    const mesh_context *context,
                                    const mesh_args *args,
                                    mesh_value **out);

/**
 * Answers with a stream: sends items by `mesh_sink_send` and returns `MESH_OK` after the last one,
 * or fails as a `mesh_handler`. Everything said there holds here.
 */
typedef mesh_status (*mesh_stream_handler)(void *user_data,
                                           const mesh_context *context,
                                           const mesh_args *args,
                                           const mesh_sink *sink);

/**
 * It went well.
 */
#define MESH_OK 0

/**
 * The stream has ended; there is no item. No error.
 */
#define MESH_END -1

/**
 * Nothing came within the given time; the stream goes on. No error.
 */
#define MESH_AGAIN -2

/**
 * The handler failed and says why; the app is well.
 */
#define MESH_ERR_APPLICATION 1

/**
 * The handler panicked; the app goes on serving.
 */
#define MESH_ERR_PANICKED 2

/**
 * The exchange was cancelled, by its caller or by a tool.
 */
#define MESH_ERR_CANCELLED 3

/**
 * The deadline passed first.
 */
#define MESH_ERR_DEADLINE 4

/**
 * No app of this name is registered, or its program is gone.
 */
#define MESH_ERR_NO_SUCH_APP 10

/**
 * The app has no such method.
 */
#define MESH_ERR_NO_SUCH_METHOD 11

/**
 * The arguments do not fit the method.
 */
#define MESH_ERR_BAD_ARGUMENTS 12

/**
 * The method is a stream and was called.
 */
#define MESH_ERR_IS_STREAM 13

/**
 * A value cannot be encoded, or does not decode as what the reader asked for.
 */
#define MESH_ERR_BAD_VALUE 14

/**
 * A message is larger than its reader takes.
 */
#define MESH_ERR_TOO_LARGE 15

/**
 * A text is not allowed as a name.
 */
#define MESH_ERR_BAD_NAME 16

/**
 * The app could not be started, or died before it was ready.
 */
#define MESH_ERR_LAUNCH_FAILED 20

/**
 * The app runs but does not answer.
 */
#define MESH_ERR_NOT_RESPONDING 21

/**
 * No connection could be made.
 */
#define MESH_ERR_CONNECT_FAILED 22

/**
 * The connection ended before the exchange did.
 */
#define MESH_ERR_CONNECTION_LOST 23

/**
 * The name is taken by a live app.
 */
#define MESH_ERR_ALREADY_RUNNING 24

/**
 * The app is not running and the caller asked not to launch it.
 */
#define MESH_ERR_NOT_RUNNING 25

/**
 * Refused for safety: a file, directory or peer is not to be trusted.
 */
#define MESH_ERR_REFUSED 30

/**
 * Too much at once; try again.
 */
#define MESH_ERR_BUSY 31

/**
 * The app is stopping.
 */
#define MESH_ERR_SHUTTING_DOWN 32

/**
 * The name was started too often and is suspended for a while.
 */
#define MESH_ERR_SUSPENDED 33

/**
 * The calls lead in a circle, or through too many apps.
 */
#define MESH_ERR_CALL_LOOP 34

/**
 * The peer broke the protocol.
 */
#define MESH_ERR_PROTOCOL 40

/**
 * The two ends have no protocol version in common.
 */
#define MESH_ERR_VERSION 41

/**
 * The registry cannot be read, locked or written.
 */
#define MESH_ERR_REGISTRY 50

/**
 * The home directory cannot be used.
 */
#define MESH_ERR_HOME 51

/**
 * The program used the library in a way that cannot work.
 */
#define MESH_ERR_MISUSE 60

/**
 * A fault of the runtime itself.
 */
#define MESH_ERR_INTERNAL 61

/**
 * Nothing.
 */
#define MESH_NULL 0

/**
 * Truth.
 */
#define MESH_BOOL 1

/**
 * A whole number.
 */
#define MESH_INT 2

/**
 * A `double`.
 */
#define MESH_FLOAT 3

/**
 * UTF-8 text.
 */
#define MESH_TEXT 4

/**
 * Bytes that are not text.
 */
#define MESH_BYTES 5

/**
 * Values in order.
 */
#define MESH_LIST 6

/**
 * Keys and values in order.
 */
#define MESH_MAP 7

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Frees a text that a function gave to its caller; a lent one must not come here. `{NULL, 0}` is
 * left alone.
 *
 * Requires:
 * `text` came from a function whose description says that the caller frees it, and is freed once.
 * Any thread.
 */
void mesh_free_text(mesh_text text);

/**
 * What the last function of this thread that failed has to say; NULL if none has yet. A function
 * that goes well leaves it as it is: look at the status first. Lent until the next failure on
 * this thread, or until a handler runs on it.
 */
const mesh_error *mesh_last_error(void);

/**
 * The code of an error; 0 for NULL.
 *
 * Requires:
 * `error` is NULL or still lent. The thread that it was lent to.
 */
mesh_status mesh_error_code(const mesh_error *error);

/**
 * What happened and why, on one line; empty for NULL. Lent as long as the error.
 *
 * Requires:
 * As `mesh_error_code`.
 */
mesh_text mesh_error_message(const mesh_error *error);

/**
 * The next step, a full sentence; empty where none is known. Lent as long as the error.
 *
 * Requires:
 * As `mesh_error_code`.
 */
mesh_text mesh_error_hint(const mesh_error *error);

/**
 * The data that the app sent along; NULL where there is none. Lent as long as the error.
 *
 * Requires:
 * As `mesh_error_code`.
 */
const mesh_value *mesh_error_details(const mesh_error *error);

/**
 * The name of a status: `ok`, `end`, `again`, `deadline` and so on; `other` for the numbers of
 * applications. Lives for ever. Any thread.
 */
mesh_text mesh_status_name(mesh_status status);

/**
 * Makes an error the thread's last one, and answers its code: `return mesh_fail(...)` is how a
 * handler fails. What is not UTF-8 in the message is marked. `code` is `MESH_ERR_APPLICATION` or a
 * number from 1000 to 65535 of your own; `MESH_ERR_BAD_ARGUMENTS` and the like say what they say.
 * What is no code becomes `MESH_ERR_APPLICATION`.
 *
 * Requires:
 * `message` can be read. Any thread.
 */
mesh_status mesh_fail(mesh_status code, mesh_text message);

/**
 * As `mesh_fail`, with the next step (empty for none) and data (NULL for none), which is copied.
 *
 * Requires:
 * `message` and `hint` can be read; `details` is NULL or live. Any thread.
 */
mesh_status mesh_fail_with(mesh_status code,
                           mesh_text message,
                           mesh_text hint,
                           const mesh_value *details);

/**
 * Checks that the program was compiled for this library: call it once if the two may differ.
 * Answers 0 if so.
 *
 * `abi` is `MESH_ABI_VERSION`. Any thread.
 */
mesh_status mesh_check_abi(uint32_t abi);

/**
 * The version of the library, as text. Lives for ever. Any thread.
 */
mesh_text mesh_version(void);

/**
 * Nothing, as a value. The caller's.
 */
mesh_value *mesh_value_null(void);

/**
 * A truth. The caller's.
 */
mesh_value *mesh_value_bool(bool truth);

/**
 * A whole number. The caller's.
 */
mesh_value *mesh_value_int(int64_t number);

/**
 * A whole number that is not negative. The caller's.
 */
mesh_value *mesh_value_uint(uint64_t number);

/**
 * A float. The caller's.
 */
mesh_value *mesh_value_float(double number);

/**
 * A text, copied. The caller's; NULL (`bad_value`) when it is not UTF-8.
 *
 * Requires:
 * `text` can be read.
 */
mesh_value *mesh_value_text(mesh_text text);

/**
 * Bytes, copied. The caller's; NULL (`misuse`) for a NULL with a length.
 *
 * Requires:
 * `bytes` can be read.
 */
mesh_value *mesh_value_bytes(mesh_bytes bytes);

/**
 * An empty list. The caller's.
 */
mesh_value *mesh_value_list(void);

/**
 * An empty map. The caller's.
 */
mesh_value *mesh_value_map(void);

/**
 * A copy with all that is in it. The caller's; NULL for NULL.
 *
 * Requires:
 * `value` is NULL or live.
 */
mesh_value *mesh_value_copy(const mesh_value *value);

/**
 * Whether two values are the same, members and their order included. NULL is the same as nothing
 * else.
 *
 * Requires:
 * Both are NULL or live.
 */
bool mesh_value_equal(const mesh_value *a, const mesh_value *b);

/**
 * Frees a value and all that is in it. NULL is left alone.
 *
 * Requires:
 * `value` is NULL or the caller's own, not one that is lent; nobody uses it any more.
 */
void mesh_free_value(mesh_value *value);

/**
 * Adds an item to a list and owns it from here on, also on failure. An item that is NULL, because
 * it could not be made, is refused.
 *
 * Requires:
 * `list` is used by nobody else meanwhile; `item` is NULL or the caller's own.
 */
mesh_status mesh_value_push(mesh_value *list, mesh_value *item);

/**
 * Puts a value under a text key into a map, in the place of what was there, and owns it from here
 * on, also on failure. Looks at every key: to build a large map, use `mesh_value_append`.
 *
 * Requires:
 * `map` is used by nobody else meanwhile; `key` can be read; `value` is NULL or the caller's own.
 */
mesh_status mesh_value_put(mesh_value *map, mesh_text key, mesh_value *value);

/**
 * Adds a key of any kind and its value to a map, and owns both from here on, also on failure.
 * Does not look whether the key is there.
 *
 * Requires:
 * `map` is used by nobody else meanwhile; `key` and `value` are NULL or the caller's own.
 */
mesh_status mesh_value_append(mesh_value *map, mesh_value *key, mesh_value *value);

/**
 * What it is. NULL is `MESH_NULL`.
 *
 * Requires:
 * `value` is NULL or live.
 */
mesh_kind mesh_value_kind(const mesh_value *value);

/**
 * Reads a truth. `bad_value` when it is something else.
 *
 * Requires:
 * `value` is NULL or live; `out` can be written.
 */
mesh_status mesh_value_get_bool(const mesh_value *value, bool *out);

/**
 * Reads a whole number. `bad_value` when it is something else or does not fit.
 *
 * Requires:
 * As `mesh_value_get_bool`.
 */
mesh_status mesh_value_get_int(const mesh_value *value, int64_t *out);

/**
 * Reads a whole number that is not negative. `bad_value` when it is something else.
 *
 * Requires:
 * As `mesh_value_get_bool`.
 */
mesh_status mesh_value_get_uint(const mesh_value *value, uint64_t *out);

/**
 * Reads a number as a `double`; a whole one is rounded to the nearest. `bad_value` when it is
 * something else.
 *
 * Requires:
 * As `mesh_value_get_bool`.
 */
mesh_status mesh_value_get_float(const mesh_value *value, double *out);

/**
 * Reads a text, lent by the value. `bad_value` when it is something else.
 *
 * Requires:
 * As `mesh_value_get_bool`.
 */
mesh_status mesh_value_get_text(const mesh_value *value, mesh_text *out);

/**
 * Reads bytes, lent by the value. `bad_value` when it is something else.
 *
 * Requires:
 * As `mesh_value_get_bool`.
 */
mesh_status mesh_value_get_bytes(const mesh_value *value, mesh_bytes *out);

/**
 * How many members a list or map has, how many bytes a text or bytes; 0 for all else.
 *
 * Requires:
 * `value` is NULL or live.
 */
size_t mesh_value_len(const mesh_value *value);

/**
 * The item of a list, or the value of a map's pair, at a place from 0 on; NULL where there is
 * none. Lent by the list or map until that changes.
 *
 * Requires:
 * As `mesh_value_len`.
 */
const mesh_value *mesh_value_at(const mesh_value *value, size_t at);

/**
 * The key of a map's pair at a place from 0 on; NULL where there is none. Lent as the values.
 *
 * Requires:
 * As `mesh_value_len`.
 */
const mesh_value *mesh_value_key_at(const mesh_value *value, size_t at);

/**
 * The value under a text key of a map; NULL where there is none. Lent by the map.
 *
 * Requires:
 * `value` is NULL or live; `key` can be read.
 */
const mesh_value *mesh_value_get(const mesh_value *value, mesh_text key);

/**
 * The value of a JSON text, in the form of docs/protocol.md. The caller's; NULL (`bad_value`) when
 * the text is no JSON.
 *
 * Requires:
 * `text` can be read.
 */
mesh_value *mesh_value_from_json(mesh_text text);

/**
 * The JSON text of a value, on one line. The caller frees it with `mesh_free_text`; it ends with
 * a NUL.
 *
 * Requires:
 * `value` is NULL or live; `out` can be written.
 */
mesh_status mesh_value_to_json(const mesh_value *value, mesh_text *out);

/**
 * A token that nobody has cancelled. The caller's: `mesh_free_token`. Never NULL.
 */
mesh_token *mesh_token_new(void);

/**
 * Cancels: calls and streams that were given the token end, and whoever waits wakes. Actions run
 * on this thread. Later calls do nothing.
 *
 * Requires:
 * `token` is NULL or live.
 */
mesh_status mesh_token_cancel(const mesh_token *token);

/**
 * Why it was cancelled: `MESH_ERR_CANCELLED`, `MESH_ERR_DEADLINE`, `MESH_ERR_CONNECTION_LOST` or
 * `MESH_ERR_SHUTTING_DOWN`; 0 while it is not. Costs little: a loop may ask each time round.
 *
 * Requires:
 * `token` is NULL or live.
 */
mesh_status mesh_token_reason(const mesh_token *token);

/**
 * Blocks until it is cancelled or `timeout_ms` are over (negative: for ever); answers whether it
 * was cancelled. A pause in a handler that ends at once when nobody wants the result.
 *
 * Requires:
 * `token` is NULL or live.
 */
bool mesh_token_wait(const mesh_token *token, int64_t timeout_ms);

/**
 * Calls `action` once when the token is cancelled, on the thread that cancels, or at once if it is
 * too late. It must be short and must not block. `destroy` (or NULL) is called once, when the
 * action has run or was forgotten, and also on failure. `out` gets a guard, the caller's;
 * `mesh_free_guard` forgets the action.
 *
 * Requires:
 * `token` is NULL or live; `user_data` is what the two functions take, on any thread; `out` can be
 * written.
 */
mesh_status mesh_token_on_cancel(const mesh_token *token,
                                 void (*action)(void *user_data),
                                 void *user_data,
                                 void (*destroy)(void *user_data),
                                 mesh_guard **out);

/**
 * Frees a guard: an action that has not begun will not run. NULL is left alone.
 *
 * Requires:
 * `guard` is NULL or the caller's own. Any thread.
 */
void mesh_free_guard(mesh_guard *guard);

/**
 * Frees a token; calls that were given it go on and can no longer be cancelled by it. NULL is left
 * alone.
 *
 * Requires:
 * `token` is NULL or the caller's own. Any thread.
 */
void mesh_free_token(mesh_token *token);

/**
 * The argument of a parameter by its place in the method's `params`, from 0 on; NULL where the
 * caller gave none. Lent as the arguments.
 *
 * Requires:
 * `args` is NULL or still lent.
 */
const mesh_value *mesh_args_at(const mesh_args *args, size_t at);

/**
 * The argument of a parameter by its name, given by place or by name; NULL where the caller gave
 * none. Lent as the arguments.
 *
 * Requires:
 * `args` is NULL or still lent; `name` can be read.
 */
const mesh_value *mesh_args_get(const mesh_args *args, mesh_text name);

/**
 * What the caller gave by place: a list. For methods with `MESH_ANY_PARAMS`. Lent.
 *
 * Requires:
 * `args` is NULL or still lent.
 */
const mesh_value *mesh_args_positional(const mesh_args *args);

/**
 * What the caller gave by name: a map. For methods with `MESH_ANY_PARAMS`. Lent.
 *
 * Requires:
 * `args` is NULL or still lent.
 */
const mesh_value *mesh_args_named(const mesh_args *args);

/**
 * Reads a truth that the caller must give. `bad_arguments` names the argument that is missing or
 * something else: a handler returns it as it is.
 *
 * Requires:
 * `args` is NULL or still lent; `name` can be read; `out` can be written.
 */
mesh_status mesh_arg_bool(const mesh_args *args, mesh_text name, bool *out);

/**
 * As `mesh_arg_bool`, a whole number.
 *
 * Requires:
 * As `mesh_arg_bool`.
 */
mesh_status mesh_arg_int(const mesh_args *args, mesh_text name, int64_t *out);

/**
 * As `mesh_arg_bool`, a number as a `double`.
 *
 * Requires:
 * As `mesh_arg_bool`.
 */
mesh_status mesh_arg_float(const mesh_args *args, mesh_text name, double *out);

/**
 * As `mesh_arg_bool`, a text, lent as the arguments.
 *
 * Requires:
 * As `mesh_arg_bool`.
 */
mesh_status mesh_arg_text(const mesh_args *args, mesh_text name, mesh_text *out);

/**
 * The process that calls, by the kernel's word. 0 where it has no number here.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
uint32_t mesh_context_pid(const mesh_context *context);

/**
 * The user that calls, always the app's own: a number on Unix, `S-1-5-...` on Windows. Lent.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
mesh_text mesh_context_user(const mesh_context *context);

/**
 * The app that the caller says it is; empty if it says none. Lent.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
mesh_text mesh_context_name(const mesh_context *context);

/**
 * The method that was called. Lent.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
mesh_text mesh_context_method(const mesh_context *context);

/**
 * The task's id, as `mesh tasks` shows it. Lent.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
mesh_text mesh_context_task(const mesh_context *context);

/**
 * The apps whose handlers led to this call, the first caller first and this app last: a list of
 * texts. The caller's.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
mesh_value *mesh_context_call_path(const mesh_context *context);

/**
 * Milliseconds until the caller's patience ends; -1 if it does not. Calls that the handler makes
 * share it.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
int64_t mesh_context_remaining_ms(const mesh_context *context);

/**
 * Whether nobody wants the result any more. Costs little: a loop may ask each time round.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
bool mesh_context_is_cancelled(const mesh_context *context);

/**
 * The token that tells when the caller cancels, its deadline passes, or it is gone. The caller's:
 * `mesh_free_token`; it may outlive the handler. NULL for NULL.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
mesh_token *mesh_context_token(const mesh_context *context);

/**
 * Sends an item, which stays the caller's. Blocks while the reader is slow; a cancel ends the
 * wait. `cancelled`, `deadline` or `connection_lost` when nobody wants more: return that then.
 * `bad_value` when it cannot be encoded.
 *
 * Requires:
 * `sink` is NULL or still lent; `item` is NULL (`misuse`) or live.
 */
mesh_status mesh_sink_send(const mesh_sink *sink, const mesh_value *item);

/**
 * Why nobody wants more, as `mesh_token_reason`; 0 while somebody does.
 *
 * Requires:
 * `context` is NULL or still lent.
 */
mesh_status mesh_context_cancel_reason(const mesh_context *context);

/**
 * Runs a job on this thread and frees it. The method's handler runs in here.
 *
 * Requires:
 * `job` is NULL or one that the executor was handed, run or freed once. Any thread.
 */
void mesh_job_run(mesh_job *job);

/**
 * Frees a job that will not run: its call fails. NULL is left alone.
 *
 * Requires:
 * As `mesh_job_run`.
 */
void mesh_free_job(mesh_job *job);

/**
 * A client. `options` may be NULL. `out` gets it, the caller's: `mesh_free_client`. Threads start
 * with the first call.
 *
 * Requires:
 * `options` is NULL or can be read; `out` can be written. Any thread.
 */
mesh_status mesh_client_new(const mesh_client_options *options, mesh_client **out);

/**
 * Calls a method and waits for its value; an app that is off is launched. `positional` is a list
 * or NULL, `named` a map or NULL; they stay the caller's. `out` gets the value, the caller's; NULL
 * throws it away. Blocks until the answer, 5 s from the moment the app is ready by default. A call
 * from a handler ends with the call that the handler serves.
 *
 * Requires:
 * `client`, `positional` and `named` are NULL or live; `app` and `method` can be read; `options`
 * is NULL or can be read; `out` is NULL or can be written. Any thread.
 */
mesh_status mesh_call(const mesh_client *client,
                      mesh_text app,
                      mesh_text method,
                      const mesh_value *positional,
                      const mesh_value *named,
                      const mesh_call_options *options,
                      mesh_value **out);

/**
 * Starts an app if it is off and waits until it is ready, at most `timeout_ms` (0 and negative: as
 * its entry says, 10 s by default); then it goes on starting. `pid` gets its process, or is NULL.
 *
 * Requires:
 * `client` is live, `app` can be read, `pid` is NULL or can be written. Any thread.
 */
mesh_status mesh_client_launch(const mesh_client *client,
                               mesh_text app,
                               int64_t timeout_ms,
                               uint32_t *pid);

/**
 * Asks an app to stop and waits until its name is free; one that does not leave within its grace
 * is ended by force. `how` gets `not_running`, `stopped`, `terminated` or `killed`, which live for
 * ever, or is NULL.
 *
 * Requires:
 * `client` is live, `app` can be read, `how` is NULL or can be written. Any thread.
 */
mesh_status mesh_client_stop(const mesh_client *client, mesh_text app, mesh_text *how);

/**
 * The names that have a live owner now: a list of texts. `out` gets it, the caller's.
 *
 * Requires:
 * `client` is live, `out` can be written. Any thread.
 */
mesh_status mesh_client_live(const mesh_client *client, mesh_value **out);

/**
 * The process that owns a name now, by the kernel's word; 0 where nobody does. To be shown, not to
 * be signalled: the number may soon be another process's.
 *
 * Requires:
 * `client` is live, `app` can be read, `pid` can be written. Any thread.
 */
mesh_status mesh_client_owner(const mesh_client *client, mesh_text app, uint32_t *pid);

/**
 * Closes a client: later calls by it fail as `misuse`. Calls and streams that are under way go on.
 * The handle stays until `mesh_free_client`. NULL is refused.
 *
 * Requires:
 * `client` is NULL or live. Any thread.
 */
mesh_status mesh_client_close(const mesh_client *client);

/**
 * Frees a client; its connections and threads end with the last stream. NULL is left alone.
 *
 * Requires:
 * `client` is NULL or the caller's own; no other thread is in a function with it.
 */
void mesh_free_client(mesh_client *client);

/**
 * Opens a stream; the arguments are those of `mesh_call`. `out` gets it, the caller's:
 * `mesh_free_stream`. A method that answers with one value gives a stream of one item. Blocks
 * until the app is reached.
 *
 * Requires:
 * As `mesh_call`, and `out` can be written. Any thread.
 */
mesh_status mesh_stream_open(const mesh_client *client,
                             mesh_text app,
                             mesh_text method,
                             const mesh_value *positional,
                             const mesh_value *named,
                             const mesh_call_options *options,
                             mesh_stream **out);

/**
 * Waits for the next item. `MESH_OK`: `out` has it, the caller's. `MESH_END`: there is no other.
 * `MESH_AGAIN`: nothing came within `timeout_ms`, and the stream goes on; 0 only looks, negative
 * (`MESH_FOREVER`) waits as long as the options of the stream allow. An error is its end too.
 *
 * Requires:
 * `stream` is NULL or live; `out` can be written. Any thread.
 */
mesh_status mesh_stream_next(const mesh_stream *stream, int64_t timeout_ms, mesh_value **out);

/**
 * Asks the app to stop. Items that are on their way come first, then `MESH_END` when the app says
 * that it has stopped. Never blocks; does nothing the second time.
 *
 * Requires:
 * `stream` is NULL or live. Any thread, also while another waits for an item.
 */
mesh_status mesh_stream_cancel(const mesh_stream *stream);

/**
 * The id of the task on the app's side, as `mesh tasks` shows it; empty for an app that does not
 * introduce itself. The caller frees it with `mesh_free_text`. Blocks for 1 s at most, and while
 * another thread waits for an item.
 *
 * Requires:
 * `stream` is NULL or live; `out` can be written. Any thread.
 */
mesh_status mesh_stream_task(const mesh_stream *stream, mesh_text *out);

/**
 * Cancels a stream that is not over, and forgets what comes; a thread that waits for an item is
 * told the end. Later functions fail as `misuse`. The handle stays until `mesh_free_stream`.
 *
 * Requires:
 * `stream` is NULL or live. Any thread.
 */
mesh_status mesh_stream_close(const mesh_stream *stream);

/**
 * Frees a stream, and cancels it if it is not over. NULL is left alone.
 *
 * Requires:
 * `stream` is NULL or the caller's own; no other thread is in a function with it.
 */
void mesh_free_stream(mesh_stream *stream);

/**
 * Claims a name. `out` gets the app, the caller's: `mesh_free_app`. If a live app has the name,
 * `already_running`: the message says who, the details are a map with `name`, `pid`, `program`,
 * `age_ms` and `ready`; with `MESH_EXIT_IF_RUNNING` this is said on stderr and the process exits
 * 0. Blocks up to 2 s for an owner that does not answer (`not_responding`).
 *
 * Requires:
 * `name` can be read; `options` is NULL or can be read; `out` can be written. Any thread.
 */
mesh_status mesh_app_claim(mesh_text name, const mesh_app_options *options, mesh_app **out);

/**
 * Makes a function callable; also when the app is ready. `destroy` (or NULL) is called with
 * `user_data` once, when no call needs it any more, and also on failure. `bad_name` for a name
 * that is not allowed.
 *
 * Requires:
 * `app` is NULL or live; `method` and all that it leads to can be read; `user_data` is what the
 * two functions take, on any thread. Any thread.
 */
mesh_status mesh_app_expose(const mesh_app *app,
                            const mesh_method *method,
                            mesh_handler handler,
                            void *user_data,
                            void (*destroy)(void*));

/**
 * Makes a function callable as a stream; all else as `mesh_app_expose`.
 *
 * Requires:
 * As `mesh_app_expose`. Any thread.
 */
mesh_status mesh_app_expose_stream(const mesh_app *app,
                                   const mesh_method *method,
                                   mesh_stream_handler handler,
                                   void *user_data,
                                   void (*destroy)(void*));

/**
 * Writes the app into the registry and answers calls from here on. A registry that cannot be
 * written is said on stderr, and the app serves all the same. Blocks up to 2 s for the registry's
 * lock.
 *
 * Requires:
 * `app` is NULL or live. Any thread.
 */
mesh_status mesh_app_ready(const mesh_app *app);

/**
 * Makes the app ready, if it is not, and blocks until it has stopped: by `mesh stop`, by
 * `mesh_app_stop`. The handle stays until `mesh_free_app`.
 *
 * Requires:
 * `app` is NULL or live. Any thread but that of a handler.
 */
mesh_status mesh_app_run(const mesh_app *app);

/**
 * Begins to stop the app and answers at once: calls in flight go on for the grace, then the name
 * is given back and `mesh_app_run` returns. Does nothing the second time. Takes locks: not for a
 * signal handler, but for a thread that waits for signals.
 *
 * Requires:
 * `app` is NULL or live. Any thread, also a handler's.
 */
mesh_status mesh_app_stop(const mesh_app *app);

/**
 * A client that calls in this app's name and on its threads. `out` gets it, the caller's:
 * `mesh_free_client`.
 *
 * Requires:
 * `app` is NULL or live; `out` can be written. Any thread.
 */
mesh_status mesh_app_client(const mesh_app *app, mesh_client **out);

/**
 * Stops the app if it runs, waits until it has stopped, and frees it. Blocks for the grace and a
 * second at most. NULL is left alone.
 *
 * Requires:
 * `app` is NULL or the caller's own; no other thread is in a function with it, and this one is not
 * a handler's.
 */
void mesh_free_app(mesh_app *app);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/* A C string as a text; it must live as long as the text is used. NULL is the empty text. */
static inline mesh_text mesh_str(const char *text)
{
    mesh_text made = {text, text ? strlen(text) : 0};
    return made;
}

#endif /* MESH_H */
