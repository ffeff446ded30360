//! Text that is no PTX of the subset: each is refused before anything runs, with its line.

use super::harness::module;
use dlc_ptx_machine::{Fault, Module};

fn refused(body: &str) -> (String, String) {
    match Module::parse(&module("", body)) {
        Err(Fault::Malformed { text, message, .. }) => (text, message),
        other => panic!("{body} gives {other:?}"),
    }
}

#[test]
fn unknown_instructions_and_modifiers() {
    for (line, message) in [
        ("frobnicate.u32 %r0, %r1;", "`frobnicate.u32` is no instruction of the subset"),
        ("add.rz.f32 %f0, %f1, %f2;", "`.rz` is not understood in `add.rz.f32`"),
        ("mul.s32 %r0, %r1, %r2;", "`mul` is not executed at .s32"),
        ("div.f32 %f0, %f1, %f2;", "`div` is not executed at .f32"),
        ("add.s8 %r0, %r1, %r2;", "`add` is not executed at .s8"),
        ("setp.hi.s32 %p0, %r1, %r2;", "`.hi` is no comparison of .s32"),
        ("setp.lt.b32 %p0, %r1, %r2;", "`.lt` is no comparison of .b32"),
        ("cvt.f32.s32 %f0, %r1;", "that rounding does not go from .s32 to .f32"),
        ("cvt.s32.f32 %r1, %f0;", "that rounding does not go from .f32 to .s32"),
        ("cvt.rn.f16x2.f64 %r1, %g0, %g1;", "cvt from .f64 to .f16x2 is not executed"),
        ("shfl.up.b32 %r0, %r1, 1, 0;", "only shfl.sync is executed"),
        ("mma.sync.aligned.m16n8k8.row.col.f32.tf32.bf16.f32 %r0, %r1, %r2, %r3;", "that combination"),
        ("cp.async.cg.shared.global [%r1], [%in], 8;", "cp.async does not copy 8 bytes that way"),
        ("bar.arrive 0, 64;", "only barriers with .sync are executed"),
        ("call (%r0), f, (%r1);", "`(` is"),
    ] {
        // The parser comes first at a call's parentheses.
        let expected = if line.starts_with("call") { "a number is missing" } else { message };
        let (text, found) = refused(line);
        assert!(found.contains(expected), "{line}: {found}");
        assert_eq!(text, line);
    }
}

#[test]
fn operands_that_do_not_fit() {
    for (line, message) in [
        ("add.s32 %r0, %r1;", "3 operands are needed, 2 are given"),
        ("add.s32 %r0, %d1, %r2;", "%d1 is a .b64 register where .s32 is needed"),
        ("add.f32 %f0, %f1, %g0;", "%g0 is a .f64 register where .f32 is needed"),
        ("add.s32 %r0, %f1, %r2;", "%f1 is a .f32 register where .s32 is needed"),
        ("add.s32 %r0, %r99, %r2;", "%r99 is not declared"),
        ("add.s32 %p0, %r1, %r2;", "%p0 is no register"),
        ("add.f32 %f0, %f1, 1;", "the immediate does not fit .f32"),
        ("add.s32 %r0, %r1, 0x100000000;", "the immediate does not fit .s32"),
        ("@%r0 add.s32 %r0, %r1, %r2;", "%r0 is no predicate"),
        ("ld.global.v4.u64 {%d0, %d1, %d2, %d3}, [%in];", "4 elements of .u64 are no access"),
        ("ld.global.v2.u32 {%r0, %r1, %r2}, [%in];", "2 registers are needed, 3 are given"),
        ("ld.global.u32 %r0, [%r1];", "%r1 of .b32 holds no address of that space"),
        ("ld.shared.nc.u32 %r0, [%r1];", ".nc reads .global memory"),
        (".local .b8 own[60000000];", "own is too large"),
        ("ld.shared.u32 %r0, [out_parameter];", "out_parameter holds no address of that space"),
        ("st.const.u32 [%in], %r0;", "that space is only read"),
        ("ld.global.u32 %h0, [%in];", "%h0 is a .b16 register where .u32 is needed"),
        ("bra nowhere;", "label nowhere stands nowhere"),
        ("lop3.b32 %r0, %r1, %r2, %r3, 256;", "the table of lop3 is a number up to 0xff"),
    ] {
        let (text, found) = refused(line);
        assert!(found.contains(message), "{line}: {found}");
        assert_eq!(text, line);
    }
    assert!(refused("here:\nhere: ret;").1.contains("label here stands twice"));
    assert!(refused(".reg .b32 %r1;").1.contains("%r1 is declared twice"));
    assert!(refused(".shared .b8 tile[50000];").1.contains("more than 48 KiB"));
    assert!(refused("add.s32 %r0, %r1, %r2").1.contains("`;` is missing"));
}

#[test]
fn modules_that_are_not_whole() {
    let told = |text: &str| Module::parse(text).unwrap_err().to_string();
    let header = ".version 8.0\n.target sm_80\n.address_size 64\n";
    assert!(told("").contains("a module starts with"));
    assert!(
        told(".version 8.0\n.target sm_80\n.address_size 32").starts_with("line 3: only .address_size 64")
    );
    assert!(told(&format!("{header}.func f() {{ }}")).contains("`.func` is no directive of the subset"));
    assert!(told(&format!("{header}.entry k() {{ ret;")).contains("the text ends here too early"));
    assert!(told(&format!("{header}.entry k() {{}} .entry k() {{}}")).contains("k is defined twice"));
    assert!(told(&format!("{header}/* open")).contains("comment without end"));
    assert!(told(&format!("{header}.const .b32 c = 1.5;")).contains("the value does not fit .b32"));
    assert!(told(&format!("{header}.const .b8 c[1] = {{1, 2}};")).contains("more initial values"));
    assert!(told(&format!("{header}#")).starts_with("line 4: `#` is no character of PTX"));
    let several = format!("{header}.entry a() {{}}\n.visible .entry b() {{ ret; }}");
    let module = Module::parse(&several).unwrap();
    assert_eq!(module.entries().collect::<Vec<_>>(), ["a", "b"]);
}
