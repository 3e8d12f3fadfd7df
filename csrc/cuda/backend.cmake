# The library's CUDA backend: compiled by nvcc, compiled for the emulator, or left out. The root CMakeLists.txt includes
# this file, because languages must be enabled there.
#
#   GESSO_CUDA                ON needs nvcc. OFF builds without CUDA. AUTO is ON if this machine has a GPU and nvcc.
#   GESSO_CUDA_ARCHITECTURES  "all", "native" (the GPUs of this machine), or numbers: "86;90". If it is empty,
#                             AUTO takes native and ON takes all.
#   GESSO_EMULATED            ON compiles the same sources with the C++ compiler for tests/emulator. No GPU is needed.
set(GESSO_CUDA AUTO CACHE STRING "Build the CUDA backend: ON, OFF, or AUTO (where there are a GPU and nvcc)")
set(GESSO_CUDA_ARCHITECTURES "" CACHE STRING "all, native, or a list of compute capabilities: 80;86;90;100;120")
option(GESSO_EMULATED "Build the CUDA backend for the emulator of the tests" OFF)

# Machine code runs on later minor versions of its major version. So that for 86 (RTX 30) serves 89 (RTX 40), for which
# ptxas makes the same instructions; that for 100 (B200) serves 103 (B300), and that for 120 (RTX 50) serves 121 (GB10).
# 110 (Thor) is not in the list: a build for all GPUs translates the PTX there at the first start, and a build on the
# machine itself ("native") has its machine code.
set(gesso_all_architectures 80 86 90 100 120)
set(gesso_oldest_architecture 80)
set(gesso_oldest_nvcc 13.0)

# The compute capabilities of this machine's GPUs for which gesso has kernels, for example "90". Empty if there are
# none.
function(gesso_find_gpus result)
  find_program(GESSO_NVIDIA_SMI nvidia-smi)
  set(gpus "")
  if(GESSO_NVIDIA_SMI)
    execute_process(COMMAND ${GESSO_NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader
                    OUTPUT_VARIABLE answer ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]" gpus "${answer}")
    list(TRANSFORM gpus REPLACE "\\." "")
    list(REMOVE_DUPLICATES gpus)
    list(FILTER gpus EXCLUDE REGEX "^[1-7][0-9]$")
  endif()
  set(${result} "${gpus}" PARENT_SCOPE)
endfunction()

# Sets CMAKE_CUDA_COMPILER to the nvcc that CMake would take, if that nvcc is new enough, and otherwise to nothing.
function(gesso_find_nvcc)
  find_program(GESSO_NVCC nvcc PATHS /usr/local/cuda/bin)
  set(nvcc "")
  foreach(candidate "${CMAKE_CUDA_COMPILER}" "$ENV{CUDACXX}" "${GESSO_NVCC}")
    if(candidate)
      execute_process(COMMAND ${candidate} --version OUTPUT_VARIABLE answer ERROR_QUIET)
      string(REGEX MATCH "release ([0-9.]+)" answer "${answer}")
      if(CMAKE_MATCH_1 VERSION_GREATER_EQUAL gesso_oldest_nvcc)
        set(nvcc "${candidate}")
      endif()
      break()
    endif()
  endforeach()
  set(CMAKE_CUDA_COMPILER "${nvcc}" PARENT_SCOPE)
endfunction()

# Sets gesso_cuda_compiled, which says whether nvcc compiles the backend. With GESSO_CUDA=AUTO this is decided here.
set(gesso_architectures "${GESSO_CUDA_ARCHITECTURES}")
if(GESSO_EMULATED)
  set(gesso_cuda_compiled OFF)
elseif(GESSO_CUDA STREQUAL "AUTO")
  gesso_find_gpus(gesso_gpus)
  set(gesso_cuda_compiled OFF)
  if(gesso_gpus)
    gesso_find_nvcc()
    if(CMAKE_CUDA_COMPILER)
      set(gesso_cuda_compiled ON)
    else()
      message(WARNING "This machine has a GPU, but there is no nvcc ${gesso_oldest_nvcc} or newer: no CUDA backend.")
    endif()
  endif()
  if(gesso_architectures STREQUAL "")
    set(gesso_architectures native)
  endif()
elseif(GESSO_CUDA MATCHES "^(ON|OFF)$")
  set(gesso_cuda_compiled ${GESSO_CUDA})
else()
  message(FATAL_ERROR "GESSO_CUDA: expected ON, OFF or AUTO, got \"${GESSO_CUDA}\".")
endif()

if(gesso_cuda_compiled)
  if(gesso_architectures STREQUAL "" OR gesso_architectures STREQUAL "all")
    set(gesso_architectures ${gesso_all_architectures})
  elseif(gesso_architectures STREQUAL "native")
    gesso_find_gpus(gesso_architectures)
    if(NOT gesso_architectures)
      message(FATAL_ERROR "GESSO_CUDA_ARCHITECTURES=native: nvidia-smi shows no GPU of compute capability 8.0 or newer.")
    endif()
  endif()
  foreach(architecture ${gesso_architectures})
    if(NOT architecture MATCHES "^[0-9]+$" OR architecture LESS gesso_oldest_architecture)
      message(FATAL_ERROR "GESSO_CUDA_ARCHITECTURES: expected all, native or numbers from ${gesso_oldest_architecture} "
                          "on, as in 86;90, got \"${architecture}\".")
    endif()
  endforeach()
  # The machine code to make is chosen for each file, in gesso_nvcc_device_code below.
  set(CMAKE_CUDA_ARCHITECTURES OFF)
  enable_language(CUDA)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS gesso_oldest_nvcc)
    message(FATAL_ERROR "nvcc ${CMAKE_CUDA_COMPILER_VERSION} is too old: ${gesso_oldest_nvcc} or newer is needed. "
                        "GESSO_CUDA=OFF builds without CUDA.")
  endif()
  set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
  message(STATUS "CUDA backend: for ${gesso_architectures}, and PTX for newer GPUs")
  list(JOIN gesso_architectures "," gesso_backend)
  string(PREPEND gesso_backend "nvcc ")
elseif(GESSO_EMULATED)
  message(STATUS "CUDA backend: emulated")
  set(gesso_backend emulated)
else()
  message(STATUS "CUDA backend: none")
  set(gesso_backend none)
endif()
# For builds that take objects of this one: cmake/objects_from.cmake.
set(GESSO_BACKEND "${gesso_backend}" CACHE INTERNAL "none, emulated, or nvcc and what it compiles for")

# For targets that include private headers, which are in csrc.
add_library(gesso_private INTERFACE)
target_include_directories(gesso_private INTERFACE ${PROJECT_SOURCE_DIR}/csrc)
target_link_libraries(gesso PRIVATE $<BUILD_LOCAL_INTERFACE:gesso_private>)

# Sets how nvcc compiles the .cu files of a target.
#
# Three passes of the compiler's front end serve all architectures: one for those before 9.0, one from 9.0 on, where
# kernels wait for the kernel before them (device/early_start.h), and one from 12.0 on: from older PTX, ptxas makes code
# for 12.0 that spills registers in attention. Nothing else in these files depends on the architecture; variant files
# (such as *_sm90a.cu) have what does. The oldest PTX goes into the library, too: a GPU that is not in the list
# translates it when a program starts, and loses only early starts.
function(gesso_nvcc_device_code target)
  set(passes "")
  set(codes_${gesso_oldest_architecture} "compute_${gesso_oldest_architecture}")
  foreach(architecture ${gesso_architectures})
    set(pass ${gesso_oldest_architecture})
    if(NOT architecture LESS 120)
      set(pass 120)
    elseif(NOT architecture LESS 90)
      set(pass 90)
    endif()
    list(APPEND passes ${pass})
    list(APPEND codes_${pass} "sm_${architecture}")
  endforeach()
  list(PREPEND passes ${gesso_oldest_architecture})
  list(REMOVE_DUPLICATES passes)
  set(all_targets "")
  foreach(pass ${passes})
    list(JOIN codes_${pass} "," codes)
    list(APPEND all_targets "-gencode=arch=compute_${pass},code=[${codes}]")
  endforeach()
  foreach(file ${ARGN})
    if(file MATCHES "_sm90a\\.cu$")
      set(targets "-gencode=arch=compute_90a,code=sm_90a")
    elseif(file MATCHES "_sm120a\\.cu$")
      set(targets "-gencode=arch=compute_120a,code=sm_120a" "-gencode=arch=compute_121a,code=sm_121a")
    else()
      set(targets "${all_targets}")
    endif()
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${targets}")
  endforeach()
  set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES OFF CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
                        CUDA_EXTENSIONS OFF CUDA_RUNTIME_LIBRARY Static CUDA_VISIBILITY_PRESET hidden)
  target_compile_options(${target} PRIVATE
    "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall>"
    "$<$<AND:$<BOOL:${GESSO_WERROR}>,$<COMPILE_LANGUAGE:CUDA>>:-Werror=all-warnings>")
endfunction()

# Takes the sources with small kernels out of a list, and puts one that includes them in their place. nvcc reads the
# headers of a source in each pass of its front end, which takes longer than all that is in these.
function(gesso_join_small_kernels sources)
  set(joined ${PROJECT_BINARY_DIR}/small_kernels.cu)
  set(includes "")
  foreach(name add embed feed_forward_add gemm/gelu_mul gemm/pack/norm_target gemm/pack/pack_activations
               gemm/pack/pack_half_activations head_stats lm_head rms_norm soft_embed token_stats
               vocabulary/soft_embed_sums)
    list(REMOVE_ITEM ${sources} ${PROJECT_SOURCE_DIR}/csrc/cuda/${name}.cu)
    string(APPEND includes "#include \"cuda/${name}.cu\"\n")
  endforeach()
  file(CONFIGURE OUTPUT ${joined} CONTENT "${includes}" @ONLY)
  set(${sources} ${${sources}} ${joined} PARENT_SCOPE)
endfunction()

# In the emulator's build kernels have -O2: with it they are as fast as with -O3, and take less time to compile. Two
# mistakes are errors there: a vector at an odd address, which a GPU refuses, and an index beyond a thread's own array.
function(gesso_device_code target)
  if(GESSO_EMULATED)
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS
      "-O2;-Wno-unknown-pragmas;-fsanitize=alignment,bounds;-fno-sanitize-recover=alignment,bounds")
  else()
    gesso_nvcc_device_code(${target} ${ARGN})
  endif()
endfunction()

if(gesso_cuda_compiled OR GESSO_EMULATED)
  file(GLOB_RECURSE gesso_host_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/cuda/*.cpp)
  file(GLOB_RECURSE gesso_device_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/cuda/*.cu)
  if(gesso_cuda_compiled)
    gesso_join_small_kernels(gesso_device_sources)
  endif()
  target_sources(gesso PRIVATE ${gesso_host_sources} ${gesso_device_sources})
  gesso_device_code(gesso ${gesso_device_sources})
  # Only these sources depend on whether there is a backend, see ops/dispatch.h.
  file(GLOB gesso_ops_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/ops/*.cpp)
  set_property(SOURCE ${gesso_ops_sources} APPEND PROPERTY COMPILE_DEFINITIONS GESSO_HAS_CUDA=1)
endif()
if(gesso_cuda_compiled)
  target_include_directories(gesso_private SYSTEM INTERFACE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  # NVTX is a library of headers. They look for a tool with dlopen.
  find_file(GESSO_NVTX nvtx3/nvToolsExt.h HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  if(NOT GESSO_NVTX)
    message(FATAL_ERROR "The CUDA toolkit lacks nvtx3/nvToolsExt.h (a package: cuda-nvtx, on PyPI nvidia-nvtx): looked in "
                        "${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}.")
  endif()
  target_link_libraries(gesso PRIVATE ${CMAKE_DL_LIBS})
elseif(GESSO_EMULATED)
  # The emulator's headers come first: they stand for <cuda_runtime.h> and csrc/cuda/device.
  add_subdirectory(tests/emulator)
  target_include_directories(gesso_private BEFORE INTERFACE ${PROJECT_SOURCE_DIR}/tests/emulator/include)
  target_link_libraries(gesso_private INTERFACE gesso_emulator)
endif()
