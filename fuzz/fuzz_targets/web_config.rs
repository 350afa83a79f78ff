#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| scope_storage_probe_fuzz::web_config::attempt(input));
