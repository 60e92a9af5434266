//! An app inside the test's own process: what a program sees that links the library.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use mesh_core::{
    App, CancelToken, Claim, Context, Error, ErrorCode, Home as Place, Limits, Result, Sink, Value,
};

use crate::call::code;
use crate::support::wait::SOON;
use crate::support::{Home, eventually};

fn claimed(home: &Home) -> App {
    match App::builder("one").home(home.core()).unregistered().try_claim().unwrap() {
        Claim::Primary(app) => app,
        _ => panic!("the name is taken"),
    }
}

#[test]
fn a_second_claim_is_told_who_owns_the_name() {
    let home = Home::new();
    let app = claimed(&home);
    app.ready().unwrap();
    let second = App::builder("one").home(home.core()).unregistered().try_claim().unwrap();
    let Claim::Secondary(running) = second else { panic!("two owners") };
    assert_eq!((running.name.as_str(), running.pid), ("one", std::process::id()));
    assert!(running.ready);
}

#[test]
fn a_dropped_app_leaves_its_name_free() {
    let home = Home::new();
    for _ in 0..3 {
        let app = claimed(&home);
        app.expose("add", ["a", "b"], |(a, b): (i64, i64)| a + b).unwrap();
        app.ready().unwrap();
        assert_eq!(home.client().call::<i64>("one", "add", (1, 2)).unwrap(), 3);
        drop(app);
        assert!(home.client().live().unwrap().is_empty());
    }
    drop(claimed(&home));
}

#[test]
fn handlers_run_where_the_executor_puts_them() {
    let home = Home::new();
    let (sender, jobs) = sync_channel::<Box<dyn FnOnce() + Send>>(16);
    let builder = App::builder("one").home(home.core()).unregistered().executor(move |job| {
        sender.send(job).expect("the main loop runs");
    });
    let Claim::Primary(app) = builder.try_claim().unwrap() else { panic!("the name is taken") };
    app.expose("thread", [], || thread::current().name().map(str::to_owned)).unwrap();
    app.ready().unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| home.client().call::<String>("one", "thread", ()));
        let job = jobs.recv_timeout(SOON).unwrap();
        thread::Builder::new().name("gui".into()).spawn(job).unwrap().join().unwrap();
        assert_eq!(call.join().unwrap().unwrap(), "gui");
    });
}

#[test]
fn with_an_executor_a_whole_stream_and_nested_calls_stay_where_it_puts_them() {
    let home = Home::new();
    let (sender, jobs) = sync_channel::<Box<dyn FnOnce() + Send>>(64);
    let builder = App::builder("one").home(home.core()).unregistered().executor(move |job| {
        sender.send(job).expect("the main loop runs");
    });
    let Claim::Primary(app) = builder.try_claim().unwrap() else { panic!("the name is taken") };
    let me = app.client();
    app.expose("ping_myself", [], move || me.call::<bool>("one", "mesh.ping", ())).unwrap();
    app.expose_stream("threads", [], || {
        let item = |_| (thread::current().name().map(str::to_owned), "x".repeat(50_000));
        (0..40).map(item)
    })
    .unwrap();
    app.ready().unwrap();
    let gui = move || {
        while let Ok(job) = jobs.recv() {
            job();
        }
    };
    let gui = thread::Builder::new().name("gui".into()).spawn(gui).unwrap();
    assert!(home.client().call::<bool>("one", "ping_myself", ()).unwrap());
    let stream = home.client().stream::<(String, String)>("one", "threads", ()).unwrap();
    let threads: Vec<String> = stream.map(|item| item.unwrap().0).collect();
    assert_eq!(threads, vec!["gui"; 40]);
    drop(app);
    gui.join().unwrap();
}

#[test]
#[cfg(target_os = "linux")] // linux-only: /proc/self/fd shows which files are open
fn a_dropped_app_leaves_no_descriptor_open() {
    let home = Home::new();
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let targets = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let links = links.filter_map(|link| std::fs::read_link(link.path()).ok());
        links.filter(|target| target.starts_with(home.path())).count()
    };
    for _ in 0..5 {
        let app = claimed(&home);
        app.expose("add", ["a", "b"], |(a, b): (i64, i64)| a + b).unwrap();
        app.ready().unwrap();
        assert!(targets() > 0);
        drop(app);
        assert_eq!(targets(), 0, "the lock is open, among {} descriptors", open());
    }
}

#[test]
fn how_a_handlers_own_call_ended_is_its_failure_not_its_callers_connection() {
    let home = Home::new();
    let app = claimed(&home);
    let me = app.client();
    app.expose("relay", [], move || me.call::<Value>("nobody", "home", ())).unwrap();
    app.expose("picky", ["a"], |_: i64| -> Result<()> {
        Err(Error::new(ErrorCode::BadArguments, "a is odd"))
    })
    .unwrap();
    app.ready().unwrap();
    let error = home.client().call::<Value>("one", "relay", ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Application, "{error:?}");
    let below = error.data().and_then(|data| data.get("code")).and_then(Value::as_u64);
    assert_eq!(below, Some(ErrorCode::NoSuchApp.number().into()));
    assert_eq!(code(home.client().call::<Value>("one", "picky", (1,))), ErrorCode::BadArguments);
}

#[test]
fn many_more_callers_than_threads_of_a_handler_that_calls_its_own_app_are_all_served() {
    let home = Home::new();
    let mut limits = Limits::default();
    (limits.handlers, limits.threads) = (4, 12);
    let builder = App::builder("one").home(home.core()).unregistered().limits(limits);
    let Claim::Primary(app) = builder.try_claim().unwrap() else { panic!("the name is taken") };
    let me = app.client();
    app.expose("inner", [], || 1).unwrap();
    app.expose("outer", [], move || me.call::<i64>("one", "inner", ())).unwrap();
    app.ready().unwrap();
    let client = home.client();
    thread::scope(|scope| {
        let calls: Vec<_> =
            (0..100).map(|_| scope.spawn(|| client.call::<i64>("one", "outer", ()))).collect();
        for call in calls {
            assert_eq!(call.join().unwrap().unwrap(), 1);
        }
    });
}

#[test]
fn a_client_of_an_app_that_has_stopped_says_so_at_once() {
    let home = Home::new();
    let other = App::builder("two").home(home.core()).unregistered();
    let Claim::Primary(other) = other.try_claim().unwrap() else { panic!("the name is taken") };
    other.ready().unwrap();
    let app = claimed(&home);
    app.ready().unwrap();
    let client = app.client();
    assert!(client.call::<bool>("two", "mesh.ping", ()).unwrap());
    drop(app);
    let begun = Instant::now();
    client.call::<bool>("two", "mesh.ping", ()).unwrap_err();
    client.call::<bool>("three", "mesh.ping", ()).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn a_cancel_frees_every_thread_that_shares_a_sink() {
    let home = Home::new();
    let app = claimed(&home);
    let (ended, ends) = sync_channel(8);
    app.expose_stream("flood", [], move |sink: &Sink, (): ()| {
        thread::scope(|scope| {
            for _ in 0..4 {
                let ended = ended.clone();
                scope.spawn(move || {
                    while sink.send(&vec![0u8; 10_000]).is_ok() {}
                    ended.send(()).unwrap();
                });
            }
        });
        Ok(())
    })
    .unwrap();
    app.ready().unwrap();
    let mut stream = home.client().stream::<Vec<u8>>("one", "flood", ()).unwrap();
    stream.next().unwrap().unwrap();
    drop(stream);
    for _ in 0..4 {
        ends.recv_timeout(SOON).expect("a thread still waits at the gate");
    }
}

#[test]
fn user_code_that_panics_on_a_cancel_takes_no_worker_with_it() {
    let home = Home::new();
    let mut limits = Limits::default();
    (limits.handlers, limits.threads) = (2, 4);
    let builder = App::builder("one").home(home.core()).unregistered().limits(limits);
    let Claim::Primary(app) = builder.try_claim().unwrap() else { panic!("the name is taken") };
    let panics = |context: &Context| {
        let _action = context.cancel_token().on_cancel(|| panic!("user code"));
        context.cancel_token().wait();
    };
    app.expose("panics", [], panics).unwrap();
    app.ready().unwrap();
    let client = home.client();
    for _ in 0..8 {
        let request = client.request("one", "panics").timeout(Duration::from_millis(30));
        assert_eq!(code(request.call::<Value>()), ErrorCode::Deadline);
    }
    assert!(client.call::<bool>("one", "mesh.ping", ()).unwrap());
}

#[test]
fn a_handler_that_waits_on_its_token_keeps_nobody_else_waiting() {
    let home = Home::new();
    let mut limits = Limits::default();
    limits.handlers = 1;
    let builder = App::builder("one").home(home.core()).unregistered().limits(limits);
    let Claim::Primary(app) = builder.try_claim().unwrap() else { panic!("the name is taken") };
    app.expose("wait", [], |context: &Context| context.cancel_token().wait()).unwrap();
    app.expose("add", ["a", "b"], |(a, b): (i64, i64)| a + b).unwrap();
    app.ready().unwrap();
    let client = home.client();
    let waiting = client.stream::<Value>("one", "wait", ()).unwrap();
    eventually(SOON, "the waiting call begins", || {
        let tasks: Value = client.call("one", "mesh.tasks", ()).unwrap();
        matches!(tasks, Value::List(tasks) if tasks.len() == 1).then_some(())
    });
    assert_eq!(client.call::<i64>("one", "add", (1, 2)).unwrap(), 3);
    drop(waiting);
}

#[test]
fn a_grace_without_end_is_no_fault() {
    let home = Home::new();
    let builder = App::builder("one").home(home.core()).unregistered();
    let Claim::Primary(app) = builder.stop_grace(Duration::MAX).try_claim().unwrap() else {
        panic!("the name is taken")
    };
    app.ready().unwrap();
    drop(app);
}

#[test]
fn the_runtimes_own_names_are_not_to_be_had() {
    let home = Home::new();
    let app = claimed(&home);
    app.expose("mesh.ping", [], || false).unwrap_err();
    app.expose("", [], || false).unwrap_err();
    let named = |name: &str| App::builder(name).home(home.core()).unregistered().try_claim();
    for name in ["Upper", "a b", "../x", "con", ""] {
        let Err(error) = named(name) else { panic!("{name:?} is allowed") };
        assert_eq!(error.code(), ErrorCode::BadName, "{error:?}");
    }
    let file = home.beside("file");
    std::fs::write(&file, "x").unwrap();
    let Err(error) = App::builder("x").home(Place::at(file.join("none"))).try_claim() else {
        panic!("a home in a file")
    };
    assert_eq!(error.code(), ErrorCode::Home, "{error:?}");
}

#[test]
fn too_much_at_once_is_busy_and_harms_only_its_sender() {
    let home = Home::new();
    let mut limits = Limits::default();
    (limits.handlers, limits.queue, limits.queue_per_connection) = (1, 2, 2);
    let builder = App::builder("one").home(home.core()).unregistered().limits(limits);
    let Claim::Primary(app) = builder.try_claim().unwrap() else { panic!("the name is taken") };
    // A lock of the test's own: a handler that waits on its token would not hold its place.
    let gate = Arc::new(RwLock::new(()));
    let shut = gate.write().unwrap();
    let door = Arc::clone(&gate);
    let (begun, begins) = sync_channel(4);
    let wait = move || {
        begun.send(()).unwrap();
        drop(door.read());
    };
    app.expose("wait", [], wait).unwrap();
    app.ready().unwrap();
    let client = home.client();
    thread::scope(|scope| {
        // Without a deadline: what waits must not be answered, too.
        let wait = || client.request("one", "wait").timeout(Duration::ZERO).call::<Value>();
        let mut calls = vec![scope.spawn(wait)];
        // Until it has begun it is one of those that wait.
        begins.recv_timeout(SOON).unwrap();
        calls.extend((0..9).map(|_| scope.spawn(wait)));
        eventually(SOON, "the surplus is answered", || {
            (calls.iter().filter(|call| call.is_finished()).count() == 7).then_some(())
        });
        assert!(client.call::<bool>("one", "mesh.ping", ()).unwrap(), "still answers pings");
        drop(shut);
        let results: Vec<Result<Value>> =
            calls.into_iter().map(|call| call.join().unwrap()).collect();
        let (served, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!((served.len(), refused.len()), (3, 7));
        refused.into_iter().for_each(|result| assert_eq!(code(result), ErrorCode::Busy));
    });
}

#[test]
fn a_call_that_is_cancelled_in_the_queue_ends_at_once_and_never_begins() {
    let home = Home::new();
    let mut limits = Limits::default();
    limits.handlers = 1;
    let builder = App::builder("one").home(home.core()).unregistered().limits(limits);
    let Claim::Primary(app) = builder.try_claim().unwrap() else { panic!("the name is taken") };
    let gate = Arc::new(RwLock::new(()));
    let shut = gate.write().unwrap();
    let door = Arc::clone(&gate);
    let (begun, begins) = sync_channel(4);
    app.expose("wait", [], move || {
        begun.send(()).unwrap();
        drop(door.read());
    })
    .unwrap();
    app.ready().unwrap();
    let client = home.client();
    thread::scope(|scope| {
        let first = scope.spawn(|| client.call::<Value>("one", "wait", ()));
        begins.recv_timeout(SOON).unwrap();
        let token = CancelToken::new();
        let request = client.request("one", "wait").cancelled_by(&token);
        let second = scope.spawn(|| request.call::<Value>());
        eventually(SOON, "the second call waits", || {
            let tasks: Value = client.call("one", "mesh.tasks", ()).unwrap();
            matches!(tasks, Value::List(tasks) if tasks.len() == 2).then_some(())
        });
        token.cancel();
        assert_eq!(code(second.join().unwrap()), ErrorCode::Cancelled);
        assert!(!first.is_finished(), "it did not wait for the first one");
        drop(shut);
        first.join().unwrap().unwrap();
    });
    assert!(begins.try_recv().is_err(), "the cancelled call began");
}

#[test]
fn a_stop_handle_ends_run() {
    let home = Home::new();
    let app = claimed(&home);
    app.ready().unwrap();
    let stop = app.stop_handle();
    let (sender, ended) = sync_channel(1);
    thread::scope(|scope| {
        scope.spawn(move || sender.send(app.run()).unwrap());
        stop.stop();
        ended.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
    });
    drop(claimed(&home));
}
