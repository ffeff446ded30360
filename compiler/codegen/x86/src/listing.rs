//! Machine code of one function as text, for reading.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, Mnemonic, NasmFormatter};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Bytes of data in one line.
const LINE: usize = 16;

/// The instructions of a function in the syntax of NASM, with addresses from its beginning and a line in front of
/// those that jumps lead to. What lies behind the last instruction that can be reached is data.
pub fn disassemble(code: &[u8]) -> String {
    let (instructions, end) = reachable(code);
    let targets: BTreeSet<u64> = instructions.iter().map(Instruction::near_branch_target).collect();
    let mut formatter = NasmFormatter::new();
    let mut text = String::new();
    for instruction in &instructions {
        // No branch has the target 0.
        if instruction.ip() > 0 && targets.contains(&instruction.ip()) {
            text.push('\n');
        }
        let mut line = String::new();
        formatter.format(instruction, &mut line);
        let _ = writeln!(text, "{:6x}  {line}", instruction.ip());
    }
    for (number, bytes) in code.get(end..).unwrap_or_default().chunks(LINE).enumerate() {
        let bytes: Vec<String> = bytes.iter().map(|byte| format!("0x{byte:02x}")).collect();
        let _ = writeln!(text, "{:6x}  db {}", end + number * LINE, bytes.join(", "));
    }
    text
}

/// The instructions up to the first end that no jump leads behind, and where they end.
fn reachable(code: &[u8]) -> (Vec<Instruction>, usize) {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut instructions = Vec::new();
    let mut furthest = 0;
    while decoder.can_decode() {
        let instruction = decoder.decode();
        furthest = furthest.max(instruction.near_branch_target());
        instructions.push(instruction);
        let ends = matches!(instruction.mnemonic(), Mnemonic::Ret | Mnemonic::Jmp | Mnemonic::Ud2);
        if ends && furthest < instruction.next_ip() {
            break;
        }
    }
    (instructions, decoder.position())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_behind_the_code_is_not_read_as_code() {
        // test edi, edi; je over; ret; over: nop; ret; two bytes of data
        let code = [0x85, 0xff, 0x74, 0x01, 0xc3, 0x90, 0xc3, 0x0f, 0xff];
        let expected = "     0  test edi,edi\n     2  je short 5\n     4  ret\n\n     \
                        5  nop\n     6  ret\n     7  db 0x0f, 0xff\n";
        assert_eq!(disassemble(&code), expected);
    }
}
