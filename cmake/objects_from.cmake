# GESSO_OBJECTS_FROM: another build folder of this source folder, for the same compiler with the same options. Objects
# that would come out the same are linked from there and not compiled again. `make` keeps that folder up to date.
set(GESSO_OBJECTS_FROM "" CACHE PATH "A build folder to take compiled objects from that would be the same here")

# Sets `result` to a regular expression for the sources whose objects differ between that build and this one, because
# the backends do. Without CUDA all are equal.
function(gesso_depends_on_backend result)
  set(except "/csrc/(ops|cuda)/")
  if(GESSO_OBJECTS_FROM)
    load_cache(${GESSO_OBJECTS_FROM} READ_WITH_PREFIX from_ GESSO_BACKEND)
    if(GESSO_BACKEND STREQUAL "none" AND from_GESSO_BACKEND STREQUAL "none")
      set(except "^$")
    endif()
  endif()
  set(${result} "${except}" PARENT_SCOPE)
endfunction()

# Takes the objects of a target's C++ sources from there, except those whose paths match a regular expression: these
# depend on the backend. What is missing there is compiled.
function(gesso_take_objects target except)
  if(NOT GESSO_OBJECTS_FROM)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  get_target_property(source_dir ${target} SOURCE_DIR)
  get_target_property(binary_dir ${target} BINARY_DIR)
  file(RELATIVE_PATH folder ${PROJECT_BINARY_DIR} ${binary_dir})
  set(kept "")
  foreach(source ${sources})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY ${source_dir} OUTPUT_VARIABLE path)
    # CMake names an object by its source's path from the target's folder, or by the whole path of a file elsewhere.
    cmake_path(IS_PREFIX PROJECT_SOURCE_DIR ${path} is_inside)
    if(is_inside)
      file(RELATIVE_PATH path ${source_dir} ${path})
    endif()
    string(REPLACE "../" "__/" name ${path})
    set(object ${GESSO_OBJECTS_FROM}/${folder}/CMakeFiles/${target}.dir/${name}.o)
    if(source MATCHES "\\.cpp$" AND NOT source MATCHES "${except}" AND EXISTS ${object})
      set(source ${object})
    endif()
    list(APPEND kept ${source})
  endforeach()
  set_target_properties(${target} PROPERTIES SOURCES "${kept}" LINKER_LANGUAGE CXX)
endfunction()
