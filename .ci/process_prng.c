/* Replacement for bcryptprimitives.dll, which Wine 8 lacks. Rust's standard library gets its random
   bytes from this library. */
#include <stddef.h>

__declspec(dllimport) unsigned char __stdcall SystemFunction036(void *data, unsigned long length);

__declspec(dllexport) int __stdcall ProcessPrng(unsigned char *data, size_t length) {
    return SystemFunction036(data, (unsigned long)length);
}
