# Cross build for the emulated Cortex-M boards; choose one with -DFK_BOARD=...
# The compiler is Debian's gcc-arm-none-eabi; the C library gives memcpy and its like, no more.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FK_BOARD)
set(CMAKE_C_COMPILER arm-none-eabi-gcc)

# The floating point unit stays out of the flight code: without its registers
# and without the soft-float library nothing can use a float unnoticed.
set(FK_CPU_qemu-f405 "-mcpu=cortex-m4 -mfloat-abi=soft")
set(FK_CPU_qemu-m4 "-mcpu=cortex-m4 -mfloat-abi=soft")
set(FK_CPU_qemu-m7 "-mcpu=cortex-m7 -mfloat-abi=soft")
set(FK_CPU_qemu-m55 "-mcpu=cortex-m55+nofp -mfloat-abi=hard") # hard: the ABI that vectors need
if(NOT FK_CPU_${FK_BOARD})
  message(FATAL_ERROR "FK_BOARD is '${FK_BOARD}'; choose qemu-f405, qemu-m4, qemu-m7 or qemu-m55")
endif()

set(CMAKE_C_FLAGS_INIT "-mthumb ${FK_CPU_${FK_BOARD}} -fno-common")
set(CMAKE_C_FLAGS_RELEASE_INIT "-Os -DNDEBUG")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-nostartfiles")
