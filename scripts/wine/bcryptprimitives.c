/*
 * bcryptprimitives.dll for tests under Wine, where two things are missing that every Rust program
 * or mesh itself stands on. Never for Windows, which has both.
 *
 * - Wine 8 has no such library, and std takes its random bytes from it.
 * - Wine gives a second server a pipe that was asked for as the first of its name. Every Rust
 *   program loads this library before `main`, so it puts a stricter CreateNamedPipeW into the
 *   import table of the program: a name that has an instance already is refused, as Windows does.
 */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *bytes, SIZE_T count)
{
    const ULONG most = 1 << 20;
    while (count > 0) {
        ULONG piece = count < most ? (ULONG)count : most;
        if (!RtlGenRandom(bytes, piece))
            return FALSE;
        bytes += piece;
        count -= piece;
    }
    return TRUE;
}

static HANDLE WINAPI strict_pipe(LPCWSTR name, DWORD open, DWORD mode, DWORD most, DWORD out,
                                 DWORD in, DWORD timeout, SECURITY_ATTRIBUTES *security)
{
    HANDLE turn = NULL, pipe = INVALID_HANDLE_VALUE;
    DWORD error = ERROR_ACCESS_DENIED;
    BOOL is_first = (open & FILE_FLAG_FIRST_PIPE_INSTANCE) != 0, is_taken = FALSE;

    if (is_first) {
        /* Looking and making must be one step among all programs of the prefix. */
        turn = CreateMutexA(NULL, FALSE, "Local\\mesh-first-pipe");
        if (turn != NULL)
            WaitForSingleObject(turn, INFINITE);
        is_taken = WaitNamedPipeW(name, 1) || GetLastError() != ERROR_FILE_NOT_FOUND;
    }
    if (!is_taken) {
        pipe = CreateNamedPipeW(name, open, mode, most, out, in, timeout, security);
        error = pipe == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
    }
    if (turn != NULL) {
        ReleaseMutex(turn);
        CloseHandle(turn);
    }
    SetLastError(error);
    return pipe;
}

/* Lets the program's calls of `function` go to `replacement`. */
static void redirect(const char *function, void *replacement)
{
    BYTE *base = (BYTE *)GetModuleHandleA(NULL);
    IMAGE_NT_HEADERS *head = (IMAGE_NT_HEADERS *)(base + ((IMAGE_DOS_HEADER *)base)->e_lfanew);
    DWORD at = head->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT].VirtualAddress;
    IMAGE_IMPORT_DESCRIPTOR *library = (IMAGE_IMPORT_DESCRIPTOR *)(base + at);

    for (; at != 0 && library->Name != 0; library++) {
        IMAGE_THUNK_DATA *name = (IMAGE_THUNK_DATA *)(base + library->OriginalFirstThunk);
        IMAGE_THUNK_DATA *slot = (IMAGE_THUNK_DATA *)(base + library->FirstThunk);
        if (library->OriginalFirstThunk == 0)
            continue;
        for (; name->u1.AddressOfData != 0; name++, slot++) {
            DWORD before;
            if (IMAGE_SNAP_BY_ORDINAL(name->u1.Ordinal))
                continue;
            if (lstrcmpA(((IMAGE_IMPORT_BY_NAME *)(base + name->u1.AddressOfData))->Name, function))
                continue;
            if (!VirtualProtect(slot, sizeof *slot, PAGE_READWRITE, &before))
                continue;
            slot->u1.Function = (ULONG_PTR)replacement;
            VirtualProtect(slot, sizeof *slot, before, &before);
        }
    }
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, void *reserved)
{
    (void)self, (void)reserved;
    if (reason == DLL_PROCESS_ATTACH)
        redirect("CreateNamedPipeW", (void *)strict_pipe);
    return TRUE;
}
