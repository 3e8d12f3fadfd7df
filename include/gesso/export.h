/* Marks what the shared library shows. Everything else in it is hidden. */
#ifndef GESSO_EXPORT_H
#define GESSO_EXPORT_H

#if defined(_WIN32)
/* A DLL's functions are marked both where they are made and where they are used. CMake sets GESSO_BUILDING for the
 * library, and GESSO_STATIC for those who link the static one; others who do so define it themselves. */
#if defined(GESSO_BUILDING)
#define GESSO_API __declspec(dllexport)
#elif defined(GESSO_STATIC)
#define GESSO_API
#else
#define GESSO_API __declspec(dllimport)
#endif
#define GESSO_HIDDEN
#elif defined(__GNUC__)
#define GESSO_API __attribute__((visibility("default")))
#define GESSO_HIDDEN __attribute__((visibility("hidden"))) /* a part of a shown class that users cannot call */
#else
#define GESSO_API
#define GESSO_HIDDEN
#endif

#endif /* GESSO_EXPORT_H */
