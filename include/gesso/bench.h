// Measurements: the ops of a session's passes, and the highest rates of the machine. Threads: any number of threads may
// call these functions at the same time, but for set_early_starts().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gesso/export.h"

namespace gesso {

// All calls of one op with one role of weights, over all layers.
struct OpProfile {
  std::string op;      // "linear"
  std::string weight;  // its role, by GGUF's names: "attn_q"; empty where there is none
  std::string types;   // of the weights: "Q4_K Q6_K"
  std::string plan;    // how a GPU computed it: "mma int8 24 rows x 3 splits, 396 blocks, 2.0 waves"; on the CPU empty.
                       // Layers may differ: "first plan; second plan"
  int64_t calls = 0;
  double ms = 0;                // of all calls, each from its beginning to its end; on a GPU by the GPU's own clock
  double stored_bytes = 0;      // weights, cached keys and values; each counts once per call
  double activation_bytes = 0;  // rows read and written, new keys and values
  double float_operations = 0;  // multiplications and additions of products, at least one operand of which is floats
  double int8_operations = 0;   // the same of products of integers alone
};

// How fast a loop is that does nothing but one thing, on all threads or on a whole GPU.
struct Ceiling {
  std::string name;             // "copy", "read" of memory; the operands of products: "float32", "bf16", "int8"
  std::string instruction_set;  // of products: "AVX-512 VNNI"; on a GPU "mma", on 9.0 also "wgmma"
  double bytes_per_s = 0;       // read and written bytes together; 0 for products
  double operations_per_s = 0;  // multiplications and additions; 0 for "copy" and "read"
};

struct CeilingOptions {
  int num_threads = 0;          // of the CPU; 0: one per processor
  int64_t bytes = 512'000'000;  // of each of the two buffers: far more than caches hold
  double milliseconds = 200;    // how long each ceiling is measured, roughly; the best of several samples counts
  std::string device = "cpu";   // as in LoadOptions: "cpu", "cuda", "cuda:1", "auto"
};

// Measures the processors, with every instruction set that both this machine and this build have, or a GPU: on one,
// "bf16" products have float32 sums, and those of "int8" have sums of integers. ArgumentError, CudaError, OutOfMemory,
// std::bad_alloc.
GESSO_API std::vector<Ceiling> measure_ceilings(const CeilingOptions& options = {});
// The instruction sets whose products measure_ceilings measures: "AVX2", "AVX-512 VNNI", ...
GESSO_API std::vector<std::string> instruction_sets();
// The name of the inner loops that int8 activations run on this CPU, for example "avx512_vnni". They are chosen once.
GESSO_API std::string int8_kernels_name();

// On GPUs from 9.0 on a kernel starts while the one before it still runs, and waits for its results. After a call with
// false, every kernel of this process waits to start; after one with true it starts early again, as at first. Results
// do not depend on it. What it is worth is the difference of two times. Call it before models are made: steps that a
// session has recorded stay as they are, and no other thread may use a GPU meanwhile. Without a GPU it does nothing.
GESSO_API void set_early_starts(bool on);

}  // namespace gesso
