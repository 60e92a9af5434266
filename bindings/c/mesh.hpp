// mesh for C++17, over mesh.h: RAII, exceptions, ranges over streams, lambdas as handlers.
//
//     int main() {
//         mesh::App app("calculator");                 // a second start says who runs, and exits 0
//         app.expose("add", {"a", "b"}, [](int64_t a, int64_t b) { return a + b; });
//         app.ready();                                 // from here on it is registered, callable
//         auto cpu = mesh::call<double>("statusbar", "cpu");
//         for (mesh::Value& item : mesh::stream("scanner", "scan", mesh::args("."))) { ... }
//         app.run();                                   // until stopped
//     }
//
// - What fails throws mesh::Error, with the code of the wire, the message and the next step.
// - Handles move and do not copy; a value copies with all that is in it.
// - Destructors cancel what is not over, wait where mesh.h says so, and never throw.
// - Every function may run on any thread, on several at once, unless it changes the object that it
//   is called on: a value while it is changed, a handle while it is moved from.
#ifndef MESH_HPP
#define MESH_HPP

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mesh.h"

namespace mesh {

using Bytes = std::vector<std::uint8_t>;

namespace detail {

inline mesh_text text(std::string_view from) { return {from.data(), from.size()}; }
inline std::string_view view(mesh_text from) { return {from.ptr ? from.ptr : "", from.len}; }

// Frees a handle by the function of its kind.
template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* handle) const noexcept {
        Free(handle);
    }
};

template <class T, auto Free>
using Handle = std::unique_ptr<T, Freed<Free>>;

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};
template <class T>
struct is_vector : std::false_type {};
template <class T, class A>
struct is_vector<std::vector<T, A>> : std::true_type {};
template <class T>
struct is_map : std::false_type {};
template <class V, class C, class A>
struct is_map<std::map<std::string, V, C, A>> : std::true_type {};

template <class>
inline constexpr bool never = false;

}  // namespace detail

class Value;

// A value that something else owns: an argument, an item in a list. Lives as long as that.
class ValueRef {
public:
    ValueRef() = default;
    explicit ValueRef(const mesh_value* lent) : lent_(lent) {}

    // Whether there is a value at all: a key that a map lacks gives none.
    explicit operator bool() const { return lent_ != nullptr; }
    const mesh_value* get() const { return lent_; }

    mesh_kind kind() const { return mesh_value_kind(lent_); }
    bool is_null() const { return kind() == MESH_NULL; }
    std::size_t size() const { return mesh_value_len(lent_); }

    ValueRef operator[](std::size_t at) const { return ValueRef(mesh_value_at(lent_, at)); }
    ValueRef operator[](int at) const { return (*this)[static_cast<std::size_t>(at)]; }
    ValueRef operator[](std::string_view key) const {
        return ValueRef(mesh_value_get(lent_, detail::text(key)));
    }
    ValueRef operator[](const char* key) const { return (*this)[std::string_view(key)]; }
    ValueRef key_at(std::size_t at) const { return ValueRef(mesh_value_key_at(lent_, at)); }

    // The value as a type: bool, whole and floating numbers, std::string, std::string_view (lent),
    // Bytes, std::vector, std::map with text keys, std::optional, Value, ValueRef. Throws
    // MESH_ERR_BAD_VALUE when it is something else or does not fit.
    template <class T>
    T as() const;

    // Its JSON text, on one line.
    std::string to_json() const;

    friend bool operator==(ValueRef a, ValueRef b) { return mesh_value_equal(a.lent_, b.lent_); }
    friend bool operator!=(ValueRef a, ValueRef b) { return !(a == b); }

private:
    const mesh_value* lent_ = nullptr;
};

// What went wrong. what() is the message and its causes.
class Error : public std::runtime_error {
public:
    Error(mesh_status code, const std::string& message, std::string hint = {});

    // The thread's last error of mesh.h.
    static Error last(mesh_status code);

    mesh_status code() const noexcept { return code_; }
    std::string_view name() const noexcept { return detail::view(mesh_status_name(code_)); }
    const std::string& hint() const noexcept { return hint_; }
    // Data that the app sent along; none where it sent nothing.
    ValueRef details() const noexcept;
    // The same error with data of a handler's own.
    Error with_details(Value details) const;

private:
    mesh_status code_;
    std::string hint_;
    std::shared_ptr<const Value> details_;
};

namespace detail {

inline void check(mesh_status status) {
    if (status != MESH_OK) throw Error::last(status);
}

template <class T>
T* check(T* made) {
    if (!made) throw Error::last(mesh_error_code(mesh_last_error()));
    return made;
}

}  // namespace detail

// Any value that can be on the wire.
class Value {
public:
    Value() : Value(detail::check(mesh_value_null())) {}
    Value(std::nullptr_t) : Value() {}
    // Of bool itself, not of what converts to it: a pointer is no truth.
    template <class T, std::enable_if_t<std::is_same_v<T, bool>, int> = 0>
    Value(T truth) : Value(detail::check(mesh_value_bool(truth))) {}
    template <class T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, int> = 0>
    Value(T number) : Value(detail::check(whole(number))) {}
    template <class T, std::enable_if_t<std::is_floating_point_v<T>, int> = 0>
    Value(T number) : Value(detail::check(mesh_value_float(static_cast<double>(number)))) {}
    Value(std::string_view text) : Value(detail::check(mesh_value_text(detail::text(text)))) {}
    Value(const std::string& text) : Value(std::string_view(text)) {}
    Value(const char* text) : Value(std::string_view(text ? text : "")) {}
    Value(const Bytes& bytes)
        : Value(detail::check(mesh_value_bytes({bytes.data(), bytes.size()}))) {}
    explicit Value(ValueRef other) : Value(detail::check(mesh_value_copy(other.get()))) {}
    template <class T>
    Value(const std::optional<T>& optional) : Value(optional ? Value(*optional) : Value()) {}
    template <class T, std::enable_if_t<!std::is_same_v<T, std::uint8_t>, int> = 0>
    Value(const std::vector<T>& items) : Value(list()) {
        for (const auto& item : items) push(Value(item));
    }
    template <class V>
    Value(const std::map<std::string, V>& pairs) : Value(map()) {
        for (const auto& [key, value] : pairs) append(Value(key), Value(value));
    }
    // A value of mesh.h that its caller gives up.
    explicit Value(mesh_value* owned) : owned_(owned) {}

    Value(const Value& other) : Value(detail::check(mesh_value_copy(other.get()))) {}
    Value& operator=(const Value& other) { return *this = Value(other); }
    Value(Value&&) noexcept = default;
    Value& operator=(Value&&) noexcept = default;

    static Value list(std::initializer_list<Value> items = {}) {
        Value made(detail::check(mesh_value_list()));
        for (const Value& item : items) made.push(item);
        return made;
    }
    static Value map(std::initializer_list<std::pair<std::string_view, Value>> pairs = {}) {
        Value made(detail::check(mesh_value_map()));
        for (const auto& [key, value] : pairs) made.put(key, value);
        return made;
    }
    static Value from_json(std::string_view json) {
        return Value(detail::check(mesh_value_from_json(detail::text(json))));
    }

    Value& push(Value item) {
        detail::check(mesh_value_push(owned_.get(), item.owned_.release()));
        return *this;
    }
    // In the place of what was under the key; looks at every key.
    Value& put(std::string_view key, Value value) {
        detail::check(mesh_value_put(owned_.get(), detail::text(key), value.owned_.release()));
        return *this;
    }
    // Does not look whether the key is there.
    Value& append(Value key, Value value) {
        detail::check(
            mesh_value_append(owned_.get(), key.owned_.release(), value.owned_.release()));
        return *this;
    }

    operator ValueRef() const { return ValueRef(owned_.get()); }
    ValueRef ref() const { return *this; }
    const mesh_value* get() const { return owned_.get(); }
    // Gives the value up, to a function of mesh.h.
    mesh_value* release() { return owned_.release(); }

    mesh_kind kind() const { return ref().kind(); }
    bool is_null() const { return ref().is_null(); }
    std::size_t size() const { return ref().size(); }
    template <class Key>
    ValueRef operator[](const Key& key) const {
        return ref()[key];
    }
    template <class T>
    T as() const {
        return ref().as<T>();
    }
    std::string to_json() const { return ref().to_json(); }

    friend bool operator==(const Value& a, const Value& b) { return a.ref() == b.ref(); }
    friend bool operator!=(const Value& a, const Value& b) { return !(a == b); }

private:
    template <class T>
    static mesh_value* whole(T number) {
        if constexpr (std::is_signed_v<T>) {
            return mesh_value_int(static_cast<std::int64_t>(number));
        } else {
            return mesh_value_uint(static_cast<std::uint64_t>(number));
        }
    }

    detail::Handle<mesh_value, mesh_free_value> owned_;
};

inline Error::Error(mesh_status code, const std::string& message, std::string hint)
    : std::runtime_error(message), code_(code), hint_(std::move(hint)) {}

inline Error Error::last(mesh_status code) {
    const mesh_error* last = mesh_last_error();
    if (mesh_error_code(last) != code) return Error(code, "mesh failed");
    Error made(code, std::string(detail::view(mesh_error_message(last))),
               std::string(detail::view(mesh_error_hint(last))));
    if (const mesh_value* details = mesh_error_details(last)) {
        made.details_ = std::make_shared<const Value>(ValueRef(details));
    }
    return made;
}

inline ValueRef Error::details() const noexcept {
    return details_ ? details_->ref() : ValueRef();
}

inline Error Error::with_details(Value details) const {
    Error made(*this);
    made.details_ = std::make_shared<const Value>(std::move(details));
    return made;
}

inline std::string ValueRef::to_json() const {
    mesh_text json{};
    detail::check(mesh_value_to_json(lent_, &json));
    std::string made(detail::view(json));
    mesh_free_text(json);
    return made;
}

template <class T>
T ValueRef::as() const {
    using std::string;
    if constexpr (std::is_same_v<T, ValueRef>) {
        return *this;
    } else if constexpr (std::is_same_v<T, Value>) {
        return Value(*this);
    } else if constexpr (std::is_same_v<T, bool>) {
        bool truth = false;
        detail::check(mesh_value_get_bool(lent_, &truth));
        return truth;
    } else if constexpr (std::is_integral_v<T>) {
        std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t> number = 0;
        if constexpr (std::is_signed_v<T>) {
            detail::check(mesh_value_get_int(lent_, &number));
        } else {
            detail::check(mesh_value_get_uint(lent_, &number));
        }
        if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max()) {
            throw Error(MESH_ERR_BAD_VALUE, std::to_string(number) + " does not fit");
        }
        return static_cast<T>(number);
    } else if constexpr (std::is_floating_point_v<T>) {
        double number = 0;
        detail::check(mesh_value_get_float(lent_, &number));
        return static_cast<T>(number);
    } else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, string>) {
        mesh_text text{};
        detail::check(mesh_value_get_text(lent_, &text));
        return T(detail::view(text));
    } else if constexpr (std::is_same_v<T, Bytes>) {
        mesh_bytes bytes{};
        detail::check(mesh_value_get_bytes(lent_, &bytes));
        return Bytes(bytes.ptr, bytes.ptr + bytes.len);
    } else if constexpr (detail::is_optional<T>::value) {
        if (is_null()) return std::nullopt;
        return as<typename T::value_type>();
    } else if constexpr (detail::is_vector<T>::value) {
        if (kind() != MESH_LIST) throw Error(MESH_ERR_BAD_VALUE, "a list is expected");
        T items;
        items.reserve(size());
        for (std::size_t at = 0; at < size(); ++at) {
            items.push_back((*this)[at].template as<typename T::value_type>());
        }
        return items;
    } else if constexpr (detail::is_map<T>::value) {
        if (kind() != MESH_MAP) throw Error(MESH_ERR_BAD_VALUE, "a map is expected");
        T pairs;
        for (std::size_t at = 0; at < size(); ++at) {
            pairs.insert_or_assign(key_at(at).template as<string>(),
                                   (*this)[at].template as<typename T::mapped_type>());
        }
        return pairs;
    } else {
        static_assert(detail::never<T>, "a value cannot be read as this type");
    }
}

// The arguments of a call: mesh::args(1, "tea", mesh::named("cup", 2)).
struct Named {
    std::string_view name;
    Value value;
};

inline Named named(std::string_view name, Value value) { return {name, std::move(value)}; }

class Args {
public:
    Args& add(Value value) {
        if (!positional_) positional_ = Value::list();
        positional_->push(std::move(value));
        return *this;
    }
    Args& add(Named pair) {
        if (!named_) named_ = Value::map();
        named_->put(pair.name, std::move(pair.value));
        return *this;
    }
    const mesh_value* positional() const { return positional_ ? positional_->get() : nullptr; }
    const mesh_value* named() const { return named_ ? named_->get() : nullptr; }

private:
    std::optional<Value> positional_;
    std::optional<Value> named_;
};

template <class... T>
Args args(T&&... values) {
    Args made;
    (made.add(std::forward<T>(values)), ...);
    return made;
}

// Told once that work is no longer wanted.
class Token {
public:
    Token() : token_(detail::check(mesh_token_new())) {}
    explicit Token(mesh_token* owned) : token_(owned) {}

    void cancel() const { detail::check(mesh_token_cancel(token_.get())); }
    bool is_cancelled() const { return reason() != MESH_OK; }
    mesh_status reason() const { return mesh_token_reason(token_.get()); }
    void wait() const { mesh_token_wait(token_.get(), MESH_FOREVER); }
    // Whether it was cancelled within the time.
    bool wait_for(std::chrono::milliseconds time) const {
        return mesh_token_wait(token_.get(), time.count() < 0 ? 0 : time.count());
    }

    // Keeps an action waiting; its end forgets it.
    using Guard = detail::Handle<mesh_guard, mesh_free_guard>;
    // Runs once when cancelled, on the thread that cancels. Short, and what it throws is dropped.
    [[nodiscard]] Guard on_cancel(std::function<void()> action) const {
        using Action = std::function<void()>;
        mesh_guard* guard = nullptr;
        auto run = [](void* data) noexcept {
            try {
                (*static_cast<Action*>(data))();
            } catch (...) {
            }
        };
        auto destroy = [](void* data) noexcept { delete static_cast<Action*>(data); };
        detail::check(mesh_token_on_cancel(token_.get(), run, new Action(std::move(action)),
                                           destroy, &guard));
        return Guard(guard);
    }

    const mesh_token* get() const { return token_.get(); }

private:
    detail::Handle<mesh_token, mesh_free_token> token_;
};

// Options of a call or stream: no timeout is the default, a negative one no bound.
struct Options {
    std::optional<std::chrono::milliseconds> timeout = std::nullopt;
    bool no_launch = false;
    const Token* token = nullptr;
};

inline constexpr std::chrono::milliseconds forever{MESH_FOREVER};

namespace detail {

inline mesh_call_options options(const Options& from) {
    mesh_call_options made{};
    made.struct_size = sizeof made;
    // A time that is over is the shortest one: zero is the default of mesh.h.
    if (from.timeout) made.timeout_ms = from.timeout->count() == 0 ? 1 : from.timeout->count();
    made.token = from.token ? from.token->get() : nullptr;
    made.flags = from.no_launch ? MESH_NO_LAUNCH : 0;
    return made;
}

}  // namespace detail

// The items of a stream; its end cancels it. A range: `for (Value& item : stream)`.
class Stream {
public:
    explicit Stream(mesh_stream* owned) : stream_(owned) {}

    // The next item; none at the end.
    std::optional<Value> next() {
        mesh_value* item = nullptr;
        const mesh_status status = mesh_stream_next(stream_.get(), MESH_FOREVER, &item);
        if (status == MESH_END) return std::nullopt;
        detail::check(status);
        return Value(item);
    }
    // As next(), for a time at most: false when nothing came and the stream goes on.
    bool next_for(std::chrono::milliseconds time, std::optional<Value>& item) {
        mesh_value* made = nullptr;
        const std::int64_t wait = time.count() < 0 ? 0 : time.count();
        const mesh_status status = mesh_stream_next(stream_.get(), wait, &made);
        item.reset();
        if (status == MESH_AGAIN) return false;
        if (status == MESH_END) return true;
        detail::check(status);
        item.emplace(made);
        return true;
    }
    // Asks the app to stop; items on their way come first. Also while another thread waits.
    void cancel() const { detail::check(mesh_stream_cancel(stream_.get())); }
    void close() const { detail::check(mesh_stream_close(stream_.get())); }
    std::string task() const {
        mesh_text text{};
        detail::check(mesh_stream_task(stream_.get(), &text));
        std::string made(detail::view(text));
        mesh_free_text(text);
        return made;
    }

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Value;
        using difference_type = std::ptrdiff_t;
        using pointer = Value*;
        using reference = Value&;

        iterator() = default;
        explicit iterator(Stream* stream) : stream_(stream) { ++*this; }
        Value& operator*() { return *item_; }
        Value* operator->() { return &*item_; }
        iterator& operator++() {
            item_ = stream_->next();
            if (!item_) stream_ = nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& a, const iterator& b) {
            return a.stream_ == b.stream_;
        }
        friend bool operator!=(const iterator& a, const iterator& b) { return !(a == b); }

    private:
        Stream* stream_ = nullptr;
        std::optional<Value> item_;
    };
    iterator begin() { return iterator(this); }
    iterator end() { return iterator(); }

private:
    detail::Handle<mesh_stream, mesh_free_stream> stream_;
};

namespace detail {

inline Value call(const mesh_client* client, std::string_view app, std::string_view method,
                  const Args& args, const Options& given) {
    const mesh_call_options made = options(given);
    mesh_value* answer = nullptr;
    check(mesh_call(client, text(app), text(method), args.positional(), args.named(), &made,
                    &answer));
    return Value(answer);
}

inline Stream stream(const mesh_client* client, std::string_view app, std::string_view method,
                     const Args& args, const Options& given) {
    const mesh_call_options made = options(given);
    mesh_stream* opened = nullptr;
    check(mesh_stream_open(client, text(app), text(method), args.positional(), args.named(),
                           &made, &opened));
    return Stream(opened);
}

}  // namespace detail

// Calls a method by the process's own client and waits for its value.
template <class R = Value>
R call(std::string_view app, std::string_view method, const Args& args = {},
       const Options& options = {}) {
    return detail::call(nullptr, app, method, args, options).as<R>();
}

inline Stream stream(std::string_view app, std::string_view method, const Args& args = {},
                     const Options& options = {}) {
    return detail::stream(nullptr, app, method, args, options);
}

// Settings of a client.
struct ClientOptions {
    std::string home = {};
    std::string name = {};
    std::optional<Value> limits = std::nullopt;
};

// Calls other apps, with settings and connections of its own.
class Client {
public:
    explicit Client(const ClientOptions& given = {}) {
        mesh_client_options options{};
        options.struct_size = sizeof options;
        options.home = detail::text(given.home);
        options.name = detail::text(given.name);
        options.limits = given.limits ? given.limits->get() : nullptr;
        mesh_client* made = nullptr;
        detail::check(mesh_client_new(&options, &made));
        client_.reset(made);
    }
    explicit Client(mesh_client* owned) : client_(owned) {}

    template <class R = Value>
    R call(std::string_view app, std::string_view method, const Args& args = {},
           const Options& options = {}) const {
        return detail::call(some(), app, method, args, options).template as<R>();
    }
    Stream stream(std::string_view app, std::string_view method, const Args& args = {},
                  const Options& options = {}) const {
        return detail::stream(some(), app, method, args, options);
    }
    // Starts the app if it is off; answers its process.
    std::uint32_t launch(std::string_view app, std::chrono::milliseconds most = forever) const {
        std::uint32_t pid = 0;
        detail::check(mesh_client_launch(some(), detail::text(app), most.count(), &pid));
        return pid;
    }
    // How it ended: `not_running`, `stopped`, `terminated`, `killed`.
    std::string_view stop(std::string_view app) const {
        mesh_text how{};
        detail::check(mesh_client_stop(some(), detail::text(app), &how));
        return detail::view(how);
    }
    std::vector<std::string> live() const {
        mesh_value* names = nullptr;
        detail::check(mesh_client_live(some(), &names));
        return Value(names).as<std::vector<std::string>>();
    }
    // The process that owns a name; 0 where nobody does.
    std::uint32_t owner(std::string_view app) const {
        std::uint32_t pid = 0;
        detail::check(mesh_client_owner(some(), detail::text(app), &pid));
        return pid;
    }
    void close() const { detail::check(mesh_client_close(some())); }

private:
    // Not the process's own client by mistake.
    const mesh_client* some() const {
        if (!client_) throw Error(MESH_ERR_MISUSE, "the client was moved from");
        return client_.get();
    }

    detail::Handle<mesh_client, mesh_free_client> client_;
};

// The call that a handler serves; lent to the handler.
class Context {
public:
    explicit Context(const mesh_context* lent) : lent_(lent) {}

    std::uint32_t pid() const { return mesh_context_pid(lent_); }
    std::string_view user() const { return detail::view(mesh_context_user(lent_)); }
    std::string_view name() const { return detail::view(mesh_context_name(lent_)); }
    std::string_view method() const { return detail::view(mesh_context_method(lent_)); }
    std::string_view task() const { return detail::view(mesh_context_task(lent_)); }
    std::vector<std::string> call_path() const {
        const Value path(detail::check(mesh_context_call_path(lent_)));
        return path.as<std::vector<std::string>>();
    }
    // Time until the caller's patience ends; none if it does not.
    std::optional<std::chrono::milliseconds> remaining() const {
        const std::int64_t left = mesh_context_remaining_ms(lent_);
        if (left < 0) return std::nullopt;
        return std::chrono::milliseconds(left);
    }
    bool is_cancelled() const { return mesh_context_is_cancelled(lent_); }
    mesh_status cancel_reason() const { return mesh_context_cancel_reason(lent_); }
    Token token() const { return Token(detail::check(mesh_context_token(lent_))); }

private:
    const mesh_context* lent_;
};

// Where a stream handler puts its items. send() throws when nobody wants more: let it through.
class Sink : public Context {
public:
    Sink(const mesh_context* context, const mesh_sink* lent) : Context(context), lent_(lent) {}

    void send(const Value& item) const { detail::check(mesh_sink_send(lent_, item.get())); }

private:
    const mesh_sink* lent_;
};

// All that a caller gave, for a method of any arguments (mesh::any).
class Given {
public:
    explicit Given(const mesh_args* lent) : lent_(lent) {}
    ValueRef positional() const { return ValueRef(mesh_args_positional(lent_)); }
    ValueRef named() const { return ValueRef(mesh_args_named(lent_)); }

private:
    const mesh_args* lent_;
};

// What a method is called, how it behaves, what it takes.
struct Method {
    Method(const char* name) : name(name) {}
    Method(std::string name) : name(std::move(name)) {}
    Method& describe(std::string text) { return doc = std::move(text), *this; }
    Method& serial() { return flags |= MESH_SERIAL, *this; }
    Method& idempotent() { return flags |= MESH_IDEMPOTENT, *this; }

    std::string name;
    std::string doc;
    std::uint32_t flags = 0;
};

// The names of a method's parameters, in order.
struct Params {
    Params(std::initializer_list<std::string_view> names) : names(names) {}
    std::vector<std::string_view> names;
    bool any = false;
};

inline Params any() {
    Params made{};
    made.any = true;
    return made;
}

namespace detail {

// What a closure takes and answers.
template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> : Signature<R (*)(A...)> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...)> : Signature<R (*)(A...)> {};
template <class R, class... A>
struct Signature<R (*)(A...)> {
    using Answer = R;
    using Takes = std::tuple<std::decay_t<A>...>;
};

template <class T>
inline constexpr bool is_own = std::is_same_v<T, Context> || std::is_same_v<T, Sink> ||
                               std::is_same_v<T, Given>;

// One argument as what the closure takes; its failure names it.
template <class T>
T argument(const mesh_args* args, const std::vector<std::string>& names, std::size_t at) {
    const ValueRef value(mesh_args_at(args, at));
    if constexpr (is_optional<T>::value) {
        if (!value) return std::nullopt;
    }
    const std::string name = "the argument `" + (at < names.size() ? names[at] : "?") + "`";
    if (!value) throw Error(MESH_ERR_BAD_ARGUMENTS, name + " is missing");
    try {
        return value.as<T>();
    } catch (const Error& error) {
        throw Error(MESH_ERR_BAD_ARGUMENTS, name + ": " + error.what());
    }
}

// A closure, and the names of its parameters.
template <class F>
struct Exposed {
    F handler;
    std::vector<std::string> names;

    using Takes = typename Signature<F>::Takes;

    // Calls the closure with `own` (a context, a sink, or nothing) first, then the arguments.
    template <class First>
    decltype(auto) run(First first, const mesh_args* args) {
        return run(first, args, std::make_index_sequence<std::tuple_size_v<Takes>>());
    }

private:
    template <class First, std::size_t... At>
    decltype(auto) run(First& first, [[maybe_unused]] const mesh_args* args,
                       std::index_sequence<At...>) {
        return handler(one<std::tuple_element_t<At, Takes>, At>(first, args)...);
    }

    template <class T, std::size_t At, class First>
    decltype(auto) one([[maybe_unused]] First& first, [[maybe_unused]] const mesh_args* args) {
        if constexpr (std::is_same_v<T, Given>) {
            return Given(args);
        } else if constexpr (is_own<T>) {
            static_assert(std::is_convertible_v<First, T>, "a value handler has no sink");
            return (first);
        } else {
            return argument<T>(args, names, At - own_before());
        }
    }

    static constexpr std::size_t own_before() {
        if constexpr (std::tuple_size_v<Takes> == 0) {
            return 0;
        } else {
            return is_own<std::tuple_element_t<0, Takes>> ? 1 : 0;
        }
    }
};

// How many values a closure takes beside what is its own.
template <class Takes>
struct Count;
template <class... T>
struct Count<std::tuple<T...>> {
    static constexpr std::size_t values = (std::size_t{0} + ... + (is_own<T> ? 0 : 1));
};

// Turns what a handler throws into an error of the call: nothing goes through C.
template <class Body>
mesh_status guarded(Body body) noexcept {
    try {
        body();
        return MESH_OK;
    } catch (const Error& error) {
        return mesh_fail_with(error.code(), text(error.what()), text(error.hint()),
                              error.details().get());
    } catch (const std::exception& error) {
        return mesh_fail(MESH_ERR_APPLICATION, text(error.what()));
    } catch (...) {
        return mesh_fail(MESH_ERR_APPLICATION, mesh_str("the handler threw something"));
    }
}

}  // namespace detail

// Settings of an app.
struct AppOptions {
    std::string home = {};
    std::string version = {};
    std::string cwd = {};
    std::optional<Value> command = std::nullopt;
    std::optional<Value> env = std::nullopt;
    std::optional<Value> limits = std::nullopt;
    std::chrono::milliseconds ready_timeout{0};
    std::chrono::milliseconds stop_grace{0};
    // Is handed every call and runs it where it likes: on the loop of a GUI, say.
    std::function<void(std::function<void()>)> executor = nullptr;
    std::uint32_t flags = MESH_EXIT_IF_RUNNING;
};

// An app that owns its name. Its end stops it, and waits until it has stopped.
class App {
public:
    // Claims the name. If a live app has it, says who in one line and ends the process with exit
    // code 0, or without MESH_EXIT_IF_RUNNING throws MESH_ERR_ALREADY_RUNNING.
    explicit App(std::string_view name, const AppOptions& given = {}) {
        mesh_app_options options{};
        options.struct_size = sizeof options;
        options.home = detail::text(given.home);
        options.version = detail::text(given.version);
        options.cwd = detail::text(given.cwd);
        options.command = given.command ? given.command->get() : nullptr;
        options.env = given.env ? given.env->get() : nullptr;
        options.limits = given.limits ? given.limits->get() : nullptr;
        options.ready_timeout_ms = given.ready_timeout.count();
        options.stop_grace_ms = given.stop_grace.count();
        options.flags = given.flags;
        if (given.executor) {
            using Executor = std::function<void(std::function<void()>)>;
            options.executor_data = new Executor(given.executor);
            options.executor = [](void* data, mesh_job* job) noexcept { execute(data, job); };
            options.executor_destroy = [](void* data) noexcept {
                delete static_cast<Executor*>(data);
            };
        }
        mesh_app* made = nullptr;
        detail::check(mesh_app_claim(detail::text(name), &options, &made));
        app_.reset(made);
    }

    // Makes a closure callable. It takes its arguments as values, after a `const Context&` if it
    // wants one, or all of them as a `Given`; it answers anything that makes a Value, or nothing.
    template <class F>
    void expose(const Method& method, const Params& params, F handler) {
        using Exposed = detail::Exposed<F>;
        auto run = [](void* data, const mesh_context* context, const mesh_args* args,
                      mesh_value** out) noexcept {
            return detail::guarded([&] {
                auto& exposed = *static_cast<Exposed*>(data);
                if constexpr (std::is_void_v<typename detail::Signature<F>::Answer>) {
                    exposed.run(Context(context), args);
                } else {
                    *out = Value(exposed.run(Context(context), args)).release();
                }
            });
        };
        add<F>(method, params, std::move(handler), run, mesh_app_expose);
    }

    // Makes a closure callable as a stream: it takes a `Sink&` first, sends items, and returns.
    template <class F>
    void expose_stream(const Method& method, const Params& params, F handler) {
        using Exposed = detail::Exposed<F>;
        auto run = [](void* data, const mesh_context* context, const mesh_args* args,
                      const mesh_sink* sink) noexcept {
            return detail::guarded([&] {
                static_cast<Exposed*>(data)->run(Sink(context, sink), args);
            });
        };
        add<F>(method, params, std::move(handler), run, mesh_app_expose_stream);
    }

    void ready() const { detail::check(mesh_app_ready(app_.get())); }
    // Blocks until the app has stopped.
    void run() const { detail::check(mesh_app_run(app_.get())); }
    // Begins to stop the app; also from a handler.
    void stop() const { detail::check(mesh_app_stop(app_.get())); }
    Client client() const {
        mesh_client* made = nullptr;
        detail::check(mesh_app_client(app_.get(), &made));
        return Client(made);
    }

private:
    template <class F, class Run, class Expose>
    void add(const Method& method, const Params& params, F handler, Run run, Expose expose) {
        using Exposed = detail::Exposed<F>;
        constexpr std::size_t takes = detail::Count<typename Exposed::Takes>::values;
        if (!params.any && params.names.size() != takes) {
            throw Error(MESH_ERR_MISUSE, method.name + ": its handler takes " +
                                             std::to_string(takes) + " arguments, " +
                                             std::to_string(params.names.size()) + " are named");
        }
        std::vector<mesh_text> names;
        for (std::string_view name : params.names) names.push_back(detail::text(name));
        mesh_method described{};
        described.struct_size = sizeof described;
        described.name = detail::text(method.name);
        described.doc = detail::text(method.doc);
        described.params = names.data();
        described.params_len = names.size();
        described.flags = method.flags | (params.any ? MESH_ANY_PARAMS : 0);
        auto destroy = [](void* data) noexcept { delete static_cast<Exposed*>(data); };
        auto exposed = std::make_unique<Exposed>(
            Exposed{std::move(handler), {params.names.begin(), params.names.end()}});
        // Owned by mesh from here on, also on failure.
        detail::check(expose(app_.get(), &described, run, exposed.release(), destroy));
    }

    // A job that is dropped without being run fails its call.
    static void execute(void* data, mesh_job* job) noexcept {
        try {
            std::shared_ptr<mesh_job*> held(new mesh_job*(job), [](mesh_job** left) {
                mesh_free_job(*left);
                delete left;
            });
            job = nullptr;
            auto work = [held] { mesh_job_run(std::exchange(*held, nullptr)); };
            (*static_cast<std::function<void(std::function<void()>)>*>(data))(work);
        } catch (...) {
            mesh_free_job(job);
        }
    }

    detail::Handle<mesh_app, mesh_free_app> app_;
};

}  // namespace mesh

#endif  // MESH_HPP
