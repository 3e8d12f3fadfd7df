# GESSO_OBJECTS_FROM: other build folders of this source folder, for the same compiler with the same options. Objects
# that would come out the same are linked from the first of them that has them, and not compiled again. `make` keeps
# those folders up to date.
set(GESSO_OBJECTS_FROM "" CACHE STRING "Build folders to take compiled objects from that would be the same here")

# Sets `result` to a regular expression for the sources whose objects in the build folder `from` differ from those here.
function(gesso_find_differing from result)
  load_cache(${from} READ_WITH_PREFIX from_ GESSO_BACKEND GESSO_BINDS)
  set(differing "^$")
  if(NOT GESSO_BACKEND STREQUAL from_GESSO_BACKEND)
    list(APPEND differing "/csrc/(ops|cuda)/" "/for_tests/(packed_rows|plans|emulator)\\.cpp$")
  elseif(GESSO_BACKEND MATCHES "^nvcc")
    list(APPEND differing "/csrc/cuda/add\\.cu$")  # with one such source, CMake links CUDA's runtime
  endif()
  if(NOT GESSO_BINDS STREQUAL from_GESSO_BINDS)
    list(APPEND differing "/python/bindings/" "/nanobind/")
  endif()
  list(JOIN differing "|" differing)
  set(${result} "${differing}" PARENT_SCOPE)
endfunction()

# Takes the objects of a target's sources from there. What is missing there, or differs, is compiled.
function(gesso_take_objects target)
  get_target_property(sources ${target} SOURCES)
  get_target_property(source_dir ${target} SOURCE_DIR)
  get_target_property(binary_dir ${target} BINARY_DIR)
  file(RELATIVE_PATH folder ${PROJECT_BINARY_DIR} ${binary_dir})
  foreach(from IN LISTS GESSO_OBJECTS_FROM)
    gesso_find_differing(${from} differing)
    set(kept "")
    foreach(source ${sources})
      cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${source_dir} OUTPUT_VARIABLE path)
      set(full_path ${path})
      # CMake names an object by its source's path from the target's folder, or by the whole path of a file elsewhere.
      cmake_path(IS_PREFIX PROJECT_SOURCE_DIR ${path} is_inside)
      if(is_inside)
        file(RELATIVE_PATH path ${source_dir} ${path})
      endif()
      string(REPLACE "../" "__/" name ${path})
      set(object ${from}/${folder}/CMakeFiles/${target}.dir/${name}.o)
      if(source MATCHES "\\.(cpp|cu)$" AND NOT full_path MATCHES "${differing}" AND EXISTS ${object})
        set(source ${object})
      endif()
      list(APPEND kept ${source})
    endforeach()
    set(sources "${kept}")
    set_target_properties(${target} PROPERTIES SOURCES "${sources}" LINKER_LANGUAGE CXX)
  endforeach()
endfunction()
