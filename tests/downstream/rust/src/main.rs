//! A conversation in Rust, through the C interface. Each line of the standard input is a turn; a reply has one canvas.
//!
//!     chat MODEL SEED < turns.txt
use std::ffi::{c_char, c_int, c_void, CStr, CString};
use std::io::{self, BufRead};
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

#[repr(C)]
struct Model {
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
    fn gesso_generate(
        model: *const Model,
        prompt: *const i32,
        prompt_length: usize,
        options: *const Options,
        out: *mut *mut Generated,
    ) -> c_int;
    fn gesso_result_ids(result: *const Generated, count: *mut usize) -> *const i32;
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

/// The ids of the reply, and its text.
fn reply(model: *const Model, said: &[i32], options: &Options) -> Result<(Vec<i32>, String), String> {
    let (mut result, mut count) = (ptr::null_mut(), 0usize);
    unsafe {
        check(gesso_generate(model, said.as_ptr(), said.len(), options, &mut result))?;
        let first = gesso_result_ids(result, &mut count);
        let ids = if count == 0 { Vec::new() } else { std::slice::from_raw_parts(first, count).to_vec() };
        let text = CStr::from_ptr(gesso_result_text(result)).to_string_lossy().into_owned();
        gesso_result_free(result);
        Ok((ids, text))
    }
}

fn chat(path: &str, seed: &str) -> Result<(), String> {
    let path = CString::new(path).map_err(|error| error.to_string())?;
    let mut model = ptr::null_mut();
    check(unsafe { gesso_model_load(path.as_ptr(), ptr::null(), &mut model) })?;
    let mut options: Options = unsafe { std::mem::zeroed() };
    check(unsafe { gesso_options_init(&mut options, std::mem::size_of::<Options>()) })?;
    options.max_new_tokens = unsafe { gesso_model_canvas_length(model) };
    options.seed = seed.parse().map_err(|_| format!("SEED: expected a number, got {seed}"))?;
    let mut said = Vec::new();
    for line in io::stdin().lock().lines() {
        said.extend(encode(model, &line.map_err(|error| error.to_string())?)?);
        let (ids, text) = reply(model, &said, &options)?;
        said.extend(ids);
        println!("{text}");
    }
    unsafe { gesso_model_free(model) };
    Ok(())
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if arguments.len() != 3 {
        eprintln!("usage: chat MODEL SEED");
        process::exit(2);
    }
    if let Err(message) = chat(&arguments[1], &arguments[2]) {
        eprintln!("chat: {message}");
        process::exit(1);
    }
}
