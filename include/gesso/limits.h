// The largest sizes that gesso accepts from a file or a caller. No real model comes near them. They keep a file of a
// few bytes from asking for gigabytes or hours. In Python: gesso._native.MAX_LAYERS for kMaxLayers.
#pragma once

#include <cstdint>

namespace gesso {

// GGUF files. The largest published file has about 60 keys, 700 tensors and 780000 strings.
inline constexpr int64_t kMaxKeys = 65536;
inline constexpr int64_t kMaxTensors = int64_t{1} << 18;  // of a folder, too
inline constexpr int64_t kMaxStrings = int64_t{1} << 23;  // in all arrays of a file together
inline constexpr int64_t kMaxNameBytes = 65536;           // of a key or a tensor's name
inline constexpr int64_t kMaxArrayDepth = 8;              // nested arrays are read by recursion
inline constexpr int64_t kMaxParts = 65535;               // llama.cpp stores split.count in 16 bits

// Checkpoint folders. The largest published tokenizer.json has 32 MB, headers and indexes have less than 1 MB.
inline constexpr int64_t kMaxJsonBytes = int64_t{32} << 20;
inline constexpr int64_t kMaxTokenizerBytes = int64_t{128} << 20;  // of tokenizer.json
inline constexpr int64_t kMaxHeaderBytes = int64_t{32} << 20;      // of one safetensors file

// Tokenizers. Gemma has 262144 tokens, the longest of 93 bytes, and 514906 merges.
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 20;
inline constexpr int64_t kMaxMerges = int64_t{1} << 22;
inline constexpr int64_t kMaxProbes = 1024;                 // in a hash table; random ones of this size have below 100
inline constexpr int64_t kMaxTokenBytes = 1024;             // finding a special token takes this long at each byte
inline constexpr int64_t kMaxTextBytes = int64_t{1} << 30;  // of a text to encode

// Models. With these limits every product of sizes, also in estimates of memory, fits 64 bits.
inline constexpr int64_t kMaxSize = int64_t{1} << 31;  // of what has no limit of its own
inline constexpr int64_t kMaxContext = int64_t{1} << 28;
inline constexpr int64_t kMaxWidth = int64_t{1} << 20;  // of a row of activations
inline constexpr int64_t kMaxLayers = 1024;
inline constexpr int64_t kMaxExperts = 65536;
inline constexpr int64_t kMaxHeads = 65536;
inline constexpr int64_t kMaxHeadDim = 65536;      // released: 512; a rotary table is made before a tensor confirms it
inline constexpr int64_t kMaxCanvasLength = 4096;  // released: 256; a canvas is allocated whole
inline constexpr int64_t kMaxEndTokens = 1024;     // released: 3; each canvas is searched for each of them

// Generations.
inline constexpr int64_t kMaxSteps = int64_t{1} << 30;  // of a canvas, from a caller; random draws count in 32 bits
inline constexpr int64_t kMaxCheckpointSteps = 4096;    // of a canvas, as a checkpoint's default; released: 48
inline constexpr int64_t kMaxBatch = 4096;              // sequences of a session
inline constexpr int kMaxThreads = 4096;

}  // namespace gesso
