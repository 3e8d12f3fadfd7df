// What is measured: the ops of a session's passes, and what the machine can do at most.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gesso {

// All calls of one op with one role of weights, over all layers.
struct OpProfile {
  std::string op;      // "linear"
  std::string weight;  // its role, by GGUF's names: "attn_q"; empty where there is none
  std::string types;   // of the weights: "Q4_K Q6_K"
  std::string plan;    // how a GPU computed it: "mma int8 24 rows x 3 splits, 396 blocks, 2.0 waves"; on the CPU empty.
                       // Layers may differ: "first plan; second plan"
  int64_t calls = 0;
  double ms = 0;
  double stored_bytes = 0;      // weights, and cached keys and values: each once per call
  double activation_bytes = 0;  // rows read and written, new keys and values
  double float_operations = 0;  // multiplications and additions of products with an operand of floats
  double int8_operations = 0;   // the same of products of integers
};

// How fast a loop is that does nothing else, on all threads.
struct Ceiling {
  std::string name;             // "copy", "read" of memory; the operands of products: "float32", "bf16", "int8"
  std::string instruction_set;  // of products: "AVX-512 VNNI"
  double bytes_per_s = 0;       // of memory: read and written bytes together; else 0
  double operations_per_s = 0;  // of products: multiplications and additions; else 0
};

struct CeilingOptions {
  int num_threads = 0;          // 0: one per processor
  int64_t bytes = 512'000'000;  // of each of the two buffers: far more than caches hold
  double milliseconds = 200;    // about so long for each ceiling; the best of several samples counts
};

// Of the processors, with every instruction set that this machine and this build have. ArgumentError, std::bad_alloc.
std::vector<Ceiling> measure_ceilings(const CeilingOptions& options = {});
// Of products, the ones that measure_ceilings measures: "AVX2", "AVX-512 VNNI", ...
std::vector<std::string> instruction_sets();
// The inner loops that int8 activations run on this CPU, chosen once: "avx512_vnni".
std::string int8_kernels_name();

}  // namespace gesso
