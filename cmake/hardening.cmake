# Flags that make an error in memory harder to exploit. Files from the internet are parsed, so such errors matter.
# tests/lint/hardening.py reads from the finished module that they are in effect.
if(PROJECT_IS_TOP_LEVEL)
  include(CheckPIESupported)
  check_pie_supported()  # programs are linked with -pie, since CMAKE_POSITION_INDEPENDENT_CODE is on
endif()

# The checks of _FORTIFY_SOURCE need an optimised build, and sanitizers have their own. The distributions' compilers may
# have set another value, so it is undefined first.
function(gesso_harden target)
  set(optimised "$<CONFIG:Release,RelWithDebInfo,MinSizeRel>")
  set(cxx "$<COMPILE_LANGUAGE:CXX>")
  target_compile_options(${target} PRIVATE "$<${cxx}:-fstack-protector-strong>")
  if(NOT GESSO_SANITIZE)
    target_compile_options(${target} PRIVATE "$<$<AND:${cxx},${optimised}>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
  endif()
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux")  # of a static library nothing is linked, so nothing comes of it
    target_link_options(${target} PRIVATE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
  endif()
endfunction()
