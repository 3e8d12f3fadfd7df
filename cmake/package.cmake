# What others build on: the shared library, and what `cmake --install` puts into a prefix: both libraries, the headers,
# gessoConfig.cmake and gesso.pc. A wheel holds the same below gesso/, without the static library, which would hold the
# code a second time, and without gesso.pc. Nothing that is installed names a folder of the build.
#
#   gesso::static, gesso::shared  the two libraries, as targets of the prefix and as targets of this folder
#   gesso::gesso                  one of them: the shared one if BUILD_SHARED_LIBS is on. A wheel has no other
set(gesso_install_default ${PROJECT_IS_TOP_LEVEL})
if(GESSO_EMULATED OR GESSO_SANITIZE)
  set(gesso_install_default OFF)
endif()
option(GESSO_INSTALL "Let cmake --install install the libraries and the headers" ${gesso_install_default})

# The objects are those of the static library. What is not marked GESSO_API is hidden, and exported.map hides what
# libstdc++'s headers and GCC show beside it.
file(CONFIGURE OUTPUT shared.cpp CONTENT "// gesso_shared is made of the objects in gesso.\n")
add_library(gesso_shared SHARED ${CMAKE_CURRENT_BINARY_DIR}/shared.cpp)
target_link_libraries(gesso_shared PRIVATE $<LINK_LIBRARY:WHOLE_ARCHIVE,gesso>)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
  configure_file(cmake/exported.map.in exported.map @ONLY)
  target_link_options(gesso_shared PRIVATE -Wl,--version-script=${CMAKE_CURRENT_BINARY_DIR}/exported.map)
  if(NOT GESSO_SANITIZE)  # a sanitizer's functions are those of the program
    target_link_options(gesso_shared PRIVATE -Wl,--no-undefined)
  endif()
  set_target_properties(gesso_shared PROPERTIES LINK_DEPENDS ${CMAKE_CURRENT_BINARY_DIR}/exported.map)
endif()
gesso_harden(gesso_shared)
# C programs run with every later version of the same major version: tests/abi holds their interface. C++ programs are
# compiled again for each minor version, and exported.map refuses others.
set_target_properties(gesso_shared PROPERTIES OUTPUT_NAME gesso SOVERSION ${PROJECT_VERSION_MAJOR} CUDA_RUNTIME_LIBRARY Static)
if(NOT SKBUILD)  # a wheel has no links, so there the file has the short name
  set_target_properties(gesso_shared PROPERTIES VERSION ${PROJECT_VERSION})
endif()
if(NOT GESSO_INSTALL)
  set_target_properties(gesso_shared PROPERTIES EXCLUDE_FROM_ALL ON)
endif()

set_target_properties(gesso PROPERTIES EXPORT_NAME static)
set_target_properties(gesso_shared PROPERTIES EXPORT_NAME shared)
foreach(target gesso gesso_shared)
  target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
  # The headers need it. A project in C alone cannot be asked for it, and gessoConfig.cmake looks at the project, too.
  if(gesso_parent_has_cxx OR PROJECT_IS_TOP_LEVEL)
    target_compile_features(${target} PUBLIC $<BUILD_INTERFACE:cxx_std_20>)
  endif()
endforeach()
add_library(gesso::static ALIAS gesso)
add_library(gesso::shared ALIAS gesso_shared)
if(BUILD_SHARED_LIBS)
  add_library(gesso::gesso ALIAS gesso_shared)
else()
  add_library(gesso::gesso ALIAS gesso)
endif()

if(NOT GESSO_INSTALL)
  return()
endif()
if(gesso_build_type_is_own)  # cmake --install looks at the whole project's, and would leave out the targets' places
  message(FATAL_ERROR "GESSO_INSTALL within another project: expected a CMAKE_BUILD_TYPE of that project, got none.")
endif()
if(SKBUILD)
  set(CMAKE_INSTALL_INCLUDEDIR gesso/include)
  set(CMAKE_INSTALL_LIBDIR gesso/lib)
else()
  include(GNUInstallDirs)
endif()
include(CMakePackageConfigHelpers)
set(gesso_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/gesso)
set(gesso_kinds shared)
install(DIRECTORY include/gesso DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(SKBUILD)
  install(TARGETS gesso_shared EXPORT gesso-shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_SKIP
          INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
else()
  list(APPEND gesso_kinds static)
  install(TARGETS gesso_shared EXPORT gesso-shared INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(TARGETS gesso EXPORT gesso-static INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  # From gesso.pc to the prefix, and from there on.
  file(RELATIVE_PATH gesso_pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" gesso_pc_to_prefix "${gesso_pc_to_prefix}")
  file(RELATIVE_PATH gesso_pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
  file(RELATIVE_PATH gesso_pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
  set(gesso_pc_private "-lm -pthread")
  foreach(library stdc++ c++)
    if(library IN_LIST CMAKE_CXX_IMPLICIT_LINK_LIBRARIES)
      string(PREPEND gesso_pc_private "-l${library} ")
    endif()
  endforeach()
  if(gesso_cuda_compiled)
    string(PREPEND gesso_pc_private "-lcudart_static -lrt -ldl ")
  endif()
  configure_file(cmake/gesso.pc.in gesso.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gesso.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
foreach(kind ${gesso_kinds})
  install(EXPORT gesso-${kind} NAMESPACE gesso:: DESTINATION ${gesso_cmake_dir})
endforeach()
configure_package_config_file(cmake/gessoConfig.cmake.in gessoConfig.cmake INSTALL_DESTINATION ${gesso_cmake_dir}
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(gessoConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/gessoConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/gessoConfigVersion.cmake
        DESTINATION ${gesso_cmake_dir})
