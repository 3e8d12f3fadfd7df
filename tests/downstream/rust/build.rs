// GESSO_LIBRARY is the path of libgesso: the shared library, or libgesso.a, which also needs the C++ library.
use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-env-changed=GESSO_LIBRARY");
    let library = env::var("GESSO_LIBRARY").expect("GESSO_LIBRARY: expected the path of libgesso");
    println!("cargo:rustc-link-arg={library}");
    if library.ends_with(".a") {
        println!("cargo:rustc-link-arg=-lstdc++");
        println!("cargo:rustc-link-arg=-lm");
    } else {
        let folder = Path::new(&library).parent().unwrap().display();
        println!("cargo:rustc-link-arg=-Wl,-rpath,{folder}");
    }
}
