/* Marks what the shared library shows. Everything else in it is hidden. */
#ifndef GESSO_EXPORT_H
#define GESSO_EXPORT_H

#if defined(__GNUC__) && !defined(_WIN32)
#define GESSO_API __attribute__((visibility("default")))
#define GESSO_HIDDEN __attribute__((visibility("hidden"))) /* a part of a shown class that users cannot call */
#else
#define GESSO_API
#define GESSO_HIDDEN
#endif

#endif /* GESSO_EXPORT_H */
