//! A conversation in Rust, through the C interface. Each line of the standard input is a turn; a reply has one canvas.
//! With STATE the conversation goes on from that file, if there is one, and is left there.
//!
//!     chat MODEL SEED [STATE] < turns.txt
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::io::{self, BufRead};
use std::path::Path;
use std::{env, process, ptr};

/// gesso_options. A library whose struct is longer takes this one, too, because it begins with its size.
#[repr(C)]
struct Options {
    struct_size: usize,
    max_new_tokens: i64,
    max_denoising_steps: i64,
    entropy_bound: f32,
    t_min: f32,
    t_max: f32,
    stability_threshold: i64,
    confidence_threshold: f32,
    seed: u64,
    on_step: Option<extern "C" fn(*mut c_void, i64, i64, *const i32, *const u8, usize) -> c_int>,
    user_data: *mut c_void,
}

/// gesso_ids, which never changes.
#[repr(C)]
struct Ids {
    ids: *const i32,
    count: usize,
}

#[repr(C)]
struct Model {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Session {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Generated {
    _opaque: [u8; 0],
}

extern "C" {
    fn gesso_last_error() -> *const c_char;
    fn gesso_model_load(path: *const c_char, options: *const c_void, out: *mut *mut Model) -> c_int;
    fn gesso_model_free(model: *mut Model);
    fn gesso_model_canvas_length(model: *const Model) -> i64;
    fn gesso_options_init(options: *mut Options, struct_size: usize) -> c_int;
    fn gesso_encode_parts(
        model: *const Model,
        texts: *const *const c_char,
        parse_special: *const u8,
        num_parts: usize,
        ids: *mut i32,
        capacity: usize,
        count: *mut usize,
    ) -> c_int;
    fn gesso_session_create(model: *const Model, batch_size: i64, out: *mut *mut Session) -> c_int;
    fn gesso_session_load(model: *const Model, path: *const c_char, out: *mut *mut Session) -> c_int;
    fn gesso_session_save(session: *const Session, path: *const c_char) -> c_int;
    fn gesso_session_free(session: *mut Session);
    fn gesso_session_generate(
        session: *mut Session,
        lists: *const Ids,
        num_lists: usize,
        options: *const Options,
        results: *mut *mut Generated,
    ) -> c_int;
    fn gesso_result_text(result: *const Generated) -> *const c_char;
    fn gesso_result_free(result: *mut Generated);
}

fn check(status: c_int) -> Result<(), String> {
    if status == 0 {
        return Ok(());
    }
    let message = unsafe { CStr::from_ptr(gesso_last_error()) };
    Err(message.to_string_lossy().into_owned())
}

fn encode(model: *const Model, line: &str) -> Result<Vec<i32>, String> {
    let text = CString::new(line).map_err(|error| error.to_string())?;
    // What a user writes is text, also where it spells a special token.
    let (parts, parse_special, mut count) = ([text.as_ptr()], [0u8], 0usize);
    unsafe {
        check(gesso_encode_parts(model, parts.as_ptr(), parse_special.as_ptr(), 1, ptr::null_mut(), 0, &mut count))?;
        let mut ids = vec![0i32; count];
        check(gesso_encode_parts(
            model,
            parts.as_ptr(),
            parse_special.as_ptr(),
            1,
            ids.as_mut_ptr(),
            count,
            &mut count,
        ))?;
        Ok(ids)
    }
}

/// The text of the reply to these ids.
fn reply(session: *mut Session, said: &[i32], options: &Options) -> Result<String, String> {
    let list = Ids { ids: said.as_ptr(), count: said.len() };
    let mut result = ptr::null_mut();
    unsafe {
        check(gesso_session_generate(session, &list, 1, options, &mut result))?;
        let text = CStr::from_ptr(gesso_result_text(result)).to_string_lossy().into_owned();
        gesso_result_free(result);
        Ok(text)
    }
}

/// The state's session if there is a state already, and otherwise a new one.
fn open_session(model: *const Model, state: Option<&CString>) -> Result<*mut Session, String> {
    let mut session = ptr::null_mut();
    check(match state {
        Some(path) if Path::new(&*path.to_string_lossy()).exists() => unsafe {
            gesso_session_load(model, path.as_ptr(), &mut session)
        },
        _ => unsafe { gesso_session_create(model, 1, &mut session) },
    })?;
    Ok(session)
}

fn chat(path: &str, seed: &str, state: Option<&String>) -> Result<(), String> {
    let path = CString::new(path).map_err(|error| error.to_string())?;
    let state = state.map(|path| CString::new(path.as_str()).map_err(|error| error.to_string())).transpose()?;
    let mut model = ptr::null_mut();
    check(unsafe { gesso_model_load(path.as_ptr(), ptr::null(), &mut model) })?;
    let mut options: Options = unsafe { std::mem::zeroed() };
    check(unsafe { gesso_options_init(&mut options, std::mem::size_of::<Options>()) })?;
    options.max_new_tokens = unsafe { gesso_model_canvas_length(model) };
    options.seed = seed.parse().map_err(|_| format!("SEED: expected a number, got {seed}"))?;
    let session = open_session(model, state.as_ref())?;
    for line in io::stdin().lock().lines() {
        let ids = encode(model, &line.map_err(|error| error.to_string())?)?;
        println!("{}", reply(session, &ids, &options)?);
    }
    if let Some(path) = &state {
        check(unsafe { gesso_session_save(session, path.as_ptr()) })?;
    }
    unsafe { gesso_session_free(session) };
    unsafe { gesso_model_free(model) };
    Ok(())
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if arguments.len() != 3 && arguments.len() != 4 {
        eprintln!("usage: chat MODEL SEED [STATE]");
        process::exit(2);
    }
    if let Err(message) = chat(&arguments[1], &arguments[2], arguments.get(3)) {
        eprintln!("chat: {message}");
        process::exit(1);
    }
}
